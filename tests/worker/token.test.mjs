// POST /auth/token: the end of a login whose redirect URI is a page of the app.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { decodeJwt } from 'jose';

import { assertErrorJson, assertOwnHeaders, setCookies } from '../support/answers.mjs';
import { PUBLIC_URL, startGateway } from '../support/gateway.mjs';

const HOUR = 3600;
const PAGE = `${PUBLIC_URL}/signed-in.html`;

const [gateway, tokenless] = await Promise.all([
  startGateway({ vars: { REDIRECT_URI: PAGE, SESSION_TTL_SECS: '10800' } }),
  startGateway({ vars: { REDIRECT_URI: PAGE, BROWSER_TOKENS: 'none' } }),
]);
after(() => Promise.all([gateway.close(), tokenless.close()]));
beforeEach(() => gateway.allWell());

describe('/auth/token', () => {
  /** A login that came back to a page of the app: its code and state. */
  async function atPage(browser, returnTo) {
    const { origin, pathname, searchParams } = new URL(await browser.authenticate(await browser.beginLogin(returnTo)));
    assert.equal(origin + pathname, PAGE);
    return { code: searchParams.get('code'), state: searchParams.get('state') };
  }

  test('gives success, access_token and expires_in, and sets the session cookie', async () => {
    const browser = gateway.browser();
    const body = await atPage(browser, '/app/?x=1');
    const [flow] = browser.flows;
    const response = await browser.post('/auth/token', body);
    assert.equal(response.status, 200);
    assertOwnHeaders(response);
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.equal(response.headers.get('location'), '/app/?x=1', 'where the page goes on to');
    const cookies = setCookies(response);
    assert.deepEqual([...cookies.keys()].filter((name) => !name.startsWith('edgegate-return-')).sort(), [flow, 'edgegate-session', 'edgegate-sign-ins'].sort());
    assert.deepEqual(cookies.get('edgegate-session').attributes, ['HttpOnly', 'Max-Age=10800', 'Path=/', 'SameSite=Lax']);
    assert.deepEqual(cookies.get(flow).attributes, ['HttpOnly', 'Max-Age=30', 'Path=/', 'SameSite=Lax'], 'what is left of it');
    const answer = await response.json();
    assert.deepEqual(Object.keys(answer), ['success', 'access_token', 'expires_in']);
    assert.equal(answer.success, true);
    assert.ok(answer.expires_in > HOUR - 20 && answer.expires_in <= HOUR);
    assert.equal(decodeJwt(answer.access_token).token_use, 'access');
    const [{ form }] = gateway.asked('/oauth2/token');
    assert.equal(form.redirect_uri, PAGE);
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('leaves the access token out where BROWSER_TOKENS is none, as /auth/refresh does', async () => {
    const browser = tokenless.browser();
    const response = await browser.post('/auth/token', await atPage(browser, '/'));
    assert.deepEqual(Object.keys(await response.json()), ['success', 'expires_in']);
    for (const body of [undefined, { force: true }]) {
      const text = await (await browser.post('/auth/refresh', body)).text();
      assert.deepEqual(Object.keys(JSON.parse(text)), ['success', 'expires_in']);
      assert.doesNotMatch(text, /eyJ/);
    }
  });

  test('asked again by a browser that is signed in is the same answer, with no second request', async () => {
    const browser = gateway.browser();
    const body = await atPage(browser, '/');
    await browser.post('/auth/token', body);
    const { session } = browser;
    const again = await browser.post('/auth/token', body);
    assert.equal(again.status, 200);
    assert.equal((await again.json()).success, true);
    assert.equal(browser.session, session);
    assert.equal(gateway.asked('/oauth2/token').length, 1);
  });

  test('twice at once, as React in strict mode asks, is the same answer for both, of one session', async () => {
    const browser = gateway.browser();
    const body = await atPage(browser, '/app/');
    gateway.cognito.set({ latencyMs: 100 });
    const tabs = [browser, browser.copy()];
    const answers = await Promise.all(tabs.map((tab) => tab.post('/auth/token', body)));
    assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
    const [one, other] = await Promise.all(answers.map((answer) => answer.json()));
    assert.equal(one.access_token, other.access_token);
    assert.equal(tabs[0].session, tabs[1].session);
    assert.equal(gateway.asked('/oauth2/token').length, 1);
  });

  for (const [what, send] of Object.entries({
    'a form': (browser, body) => browser.script('/auth/token', {
      method: 'POST', body: String(new URLSearchParams(body)), headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
    'text': (browser, body) => browser.script('/auth/token', {
      method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'text/plain' },
    }),
    'no content type': (browser, body) => browser.script('/auth/token', { method: 'POST', body: JSON.stringify(body) }),
    'no body': (browser) => browser.script('/auth/token', { method: 'POST', body: '', headers: { 'content-type': 'application/json' } }),
    'broken JSON': (browser) => browser.script('/auth/token', { method: 'POST', body: '{"code":', headers: { 'content-type': 'application/json' } }),
    'no state': (browser, { code }) => browser.post('/auth/token', { code }),
    'no code': (browser, { state }) => browser.post('/auth/token', { state }),
    'an empty code': (browser, { state }) => browser.post('/auth/token', { state, code: '' }),
    'a code that is a number': (browser, { state }) => browser.post('/auth/token', { state, code: 7 }),
    'the code twice': (browser, { code, state }) => browser.script('/auth/token', {
      method: 'POST', body: `{"code":"x","code":"${code}","state":"${state}"}`, headers: { 'content-type': 'application/json' },
    }),
    'a list': (browser, { code, state }) => browser.post('/auth/token', [code, state]),
  })) {
    test(`with ${what} is 400, with no token request and no session`, async () => {
      const browser = gateway.browser();
      const body = await atPage(browser, '/');
      await assertErrorJson(await send(browser, body), 400, 'invalid_request');
      assert.equal(browser.session, undefined);
      assert.deepEqual(gateway.asked('/oauth2/token'), []);
    });
  }

  test('with the state of another browser is 400 and spends nothing', async () => {
    const other = gateway.browser();
    const body = await atPage(other, '/');
    const browser = gateway.browser();
    await assertErrorJson(await browser.post('/auth/token', body), 400, 'login_expired');
    await browser.beginLogin();
    await assertErrorJson(await browser.post('/auth/token', body), 400, 'state_mismatch');
    assert.deepEqual(gateway.asked('/oauth2/token'), []);
    assert.equal((await other.post('/auth/token', body)).status, 200);
  });

  test('with a code that Cognito refuses is 400 code_rejected and clears the flow', async () => {
    const browser = gateway.browser();
    const { state } = await atPage(browser, '/');
    const response = await browser.post('/auth/token', { code: '00000000-0000-4000-8000-000000000000', state });
    await assertErrorJson(response, 400, 'code_rejected');
    assert.deepEqual(browser.flows, []);
    assert.equal(browser.session, undefined);
  });
});
