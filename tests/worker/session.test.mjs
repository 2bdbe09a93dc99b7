// A session as its page sees it: /auth/status, /user-info, /auth/refresh, and when it ends. Time passes by the Worker's clock
// (faulty-worker.mjs) and Cognito's.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { decodeJwt } from 'jose';

import { assertErrorJson, assertOwnHeaders, assertTokenJson } from '../support/answers.mjs';
import { FAULTY, PUBLIC_URL, startGateway } from '../support/gateway.mjs';

const HOUR = 3600;
const FIVE_DAYS = 432_000;

const [gateway, short] = await Promise.all([
  startGateway({ main: FAULTY }),
  startGateway({ main: FAULTY, vars: { SESSION_IDLE_SECS: '7200', SESSION_TTL_SECS: '10800' } }),
]);
after(() => Promise.all([gateway.close(), short.close()]));
beforeEach(() => Promise.all([gateway.allWell(), short.allWell()]));

describe('/auth/status', () => {
  test('of nobody says so, and where to sign in', async () => {
    const response = await gateway.browser().script('/auth/status');
    assert.equal(response.status, 200);
    assertOwnHeaders(response);
    assert.deepEqual(await response.json(), { authenticated: false, expiresAt: null, refreshAt: null, loginUrl: `${PUBLIC_URL}/auth/login` });
  });

  test('of a session has its end and its next refresh, in whole seconds', async () => {
    const browser = await gateway.signedIn();
    const { authenticated, expiresAt, refreshAt, loginUrl } = await (await browser.script('/auth/status')).json();
    assert.equal(authenticated, true);
    assert.ok(Number.isInteger(expiresAt) && Number.isInteger(refreshAt));
    assert.ok(Math.abs(expiresAt - gateway.now() - FIVE_DAYS) <= 10, `expiresAt ${expiresAt}`);
    const untilRefresh = refreshAt - gateway.now();
    assert.ok(untilRefresh > HOUR - 310 && untilRefresh < HOUR - 200, `refreshAt in ${untilRefresh} s`);
    assert.equal(loginUrl, `${PUBLIC_URL}/auth/login`);
  });

  test('is never 401, not for nonsense, two cookies, or a session that has ended', async () => {
    const browser = await gateway.signedIn();
    const ended = browser.copy();
    await browser.post('/auth/logout');
    for (const cookie of [
      'edgegate-session=x', `edgegate-session=${'A'.repeat(64)}`, `edgegate-session=${ended.session}`, `edgegate-session=${ended.session}; edgegate-session=${ended.session}`,
    ]) {
      const response = await gateway.browser().script('/auth/status', { headers: { cookie } });
      assert.equal(response.status, 200);
      assert.equal((await response.json()).authenticated, false);
    }
  });

  test('of a session past its token renews it', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    const status = await (await browser.script('/auth/status')).json();
    assert.equal(status.authenticated, true);
    assert.ok(status.refreshAt > gateway.now());
  });
});

describe('/user-info of a session', () => {
  test('has exactly the allow-listed claims of the ID token', async () => {
    const browser = await gateway.signedIn();
    const response = await browser.script('/user-info');
    assertOwnHeaders(response);
    const sub = 'a1c30000-0000-4000-8000-00000000a11c';
    assert.deepEqual(await response.json(), {
      sub, email: 'alice@example.com', email_verified: true, name: 'Alice Kim', given_name: null, family_name: null, username: sub, groups: ['admin'],
    });
  });

  for (const [what, cookie] of Object.entries({
    'no cookie': undefined, 'an empty one': 'edgegate-session=', 'a short one': 'edgegate-session=abc', 'a long one': `edgegate-session=${'A'.repeat(65)}`,
    'letters that are not base64url': `edgegate-session=${'!'.repeat(64)}`, 'the name in capitals': `EDGEGATE-SESSION=${'A'.repeat(64)}`,
  })) {
    test(`with ${what} is 401 session_required`, async () => {
      const response = await gateway.browser().script('/user-info', { headers: cookie === undefined ? {} : { cookie } });
      await assertErrorJson(response, 401, 'session_required');
    });
  }

  test('with the id of nobody is 401 session_expired, and the cookie stays as it is', async () => {
    const response = await gateway.browser().script('/user-info', { headers: { cookie: `edgegate-session=${'A'.repeat(64)}` } });
    assert.deepEqual(response.headers.getSetCookie(), []);
    await assertErrorJson(response, 401, 'session_expired');
  });

  test('with the cookie twice is 401: one of them was planted', async () => {
    const browser = await gateway.signedIn();
    const cookie = `edgegate-session=${browser.session}; edgegate-session=${'A'.repeat(64)}`;
    await assertErrorJson(await gateway.browser().script('/user-info', { headers: { cookie } }), 401, 'session_required');
  });
});

describe('/auth/refresh', () => {
  test('gives the stored token while it is fresh, without asking Cognito', async () => {
    const browser = await gateway.signedIn();
    const first = await assertTokenJson(await browser.post('/auth/refresh'));
    assert.ok(first.expires_in > HOUR - 20 && first.expires_in <= HOUR);
    assert.equal(decodeJwt(first.access_token).token_use, 'access');
    await gateway.passTime(100);
    const second = await assertTokenJson(await browser.post('/auth/refresh', {}));
    assert.equal(second.access_token, first.access_token);
    assert.ok(second.expires_in <= first.expires_in - 99, 'expires_in is what remains');
    assert.equal((await assertTokenJson(await browser.post('/auth/refresh', { force: false }))).access_token, first.access_token);
    assert.deepEqual(gateway.refreshes(), []);
  });

  test('asks Cognito when forced, once per 30 s and session', async () => {
    const browser = await gateway.signedIn();
    const { access_token: first } = await assertTokenJson(await browser.post('/auth/refresh'));
    const { access_token: second } = await assertTokenJson(await browser.post('/auth/refresh', { force: true }));
    assert.notEqual(second, first);
    assert.equal((await assertTokenJson(await browser.post('/auth/refresh', { force: true }))).access_token, second);
    await gateway.passTime(28);
    assert.equal((await assertTokenJson(await browser.post('/auth/refresh', { force: true }))).access_token, second);
    assert.equal(gateway.refreshes().length, 1);
    await gateway.passTime(3);
    assert.notEqual((await assertTokenJson(await browser.post('/auth/refresh', { force: true }))).access_token, second);
    assert.equal(gateway.refreshes().length, 2);
  });

  test('sends the stored refresh token with Basic, and nothing else', async () => {
    const browser = await gateway.signedIn();
    await browser.post('/auth/refresh', { force: true });
    const [{ form, headers, query }] = gateway.refreshes();
    assert.deepEqual(Object.keys(form).sort(), ['grant_type', 'refresh_token']);
    assert.match(form.refresh_token, /^eyJ/);
    const { clientId, clientSecret } = gateway.cognito;
    assert.equal(headers.authorization, `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`);
    assert.deepEqual(query, {});
  });

  test('renews when the end is near', async () => {
    const browser = await gateway.signedIn();
    const { access_token: old } = await assertTokenJson(await browser.post('/auth/refresh'));
    await gateway.passTime(HOUR - 100);
    const { access_token: renewed, expires_in: left } = await assertTokenJson(await browser.post('/auth/refresh'));
    assert.notEqual(renewed, old);
    assert.ok(left > HOUR - 20);
    assert.equal(gateway.refreshes().length, 1);
  });

  test('renews after the end', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    assert.ok((await assertTokenJson(await browser.post('/auth/refresh'))).expires_in > HOUR - 20);
    assert.equal(gateway.refreshes().length, 1);
  });

  for (const body of ['nonsense', '[]', '"force"', '{"force":1}', '{"force":"true"}', '{"force":true']) {
    test(`with the body ${body} is 400`, async () => {
      const browser = await gateway.signedIn();
      const response = await browser.script('/auth/refresh', { method: 'POST', body, headers: { 'content-type': 'application/json' } });
      await assertErrorJson(response, 400, 'invalid_request');
      assert.deepEqual(gateway.refreshes(), []);
    });
  }

  test('without a session is 401 with the way to the login', async () => {
    const body = await assertErrorJson(await gateway.browser().post('/auth/refresh'), 401, 'session_required');
    assert.equal(body.loginUrl, `${PUBLIC_URL}/auth/login`);
  });
});

describe('the end of a session', () => {
  test('comes after five days, however busy it was', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(FIVE_DAYS - 30);
    assert.equal((await browser.script('/user-info')).status, 200);
    await gateway.passTime(31);
    await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
    const page = await browser.navigate('/app/');
    assert.equal(page.status, 302);
    assert.equal(page.headers.get('location'), '/auth/login?return_to=%2Fapp%2F');
  });

  test('comes earlier to one that is idle, and renewal puts it off, but not beyond its whole life', async () => {
    const left = await short.signedIn();
    const used = await short.signedIn();
    await short.passTime(7000);
    assert.equal((await used.script('/user-info')).status, 200);
    await short.passTime(201);
    await assertErrorJson(await left.script('/user-info'), 401, 'session_expired');
    assert.equal((await used.script('/user-info')).status, 200);
    const { expiresAt } = await (await used.script('/auth/status')).json();
    assert.ok(expiresAt - short.now() <= 10_800 - 7201, `${expiresAt - short.now()} s left`);
    await short.passTime(10_800 - 7200);
    await assertErrorJson(await used.script('/user-info'), 401, 'session_expired');
  });
});
