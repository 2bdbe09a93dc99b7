// GET /auth/callback: the end of a login, and what Cognito may say instead. What others make of it is in hostile-callback.test.mjs.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage, assertNoSession, assertOwnHeaders, setCookies } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { NAVIGATION, PUBLIC_URL, startGateway } from '../support/gateway.mjs';

const [gateway, publicClient] = await Promise.all([
  startGateway(),
  startGateway({ vars: { COGNITO_CLIENT_SECRET: null }, cognito: { clientSecret: null } }),
]);
after(() => Promise.all([gateway.close(), publicClient.close()]));

beforeEach(async () => {
  await gateway.allWell();
  await gateway.emptyKv();
});

const paramsOf = (url) => new URL(url).searchParams;
const challengeOf = (verifier) => createHash('sha256').update(verifier).digest('base64url');

describe('a login that ends well', () => {
  test('exchanges the code in one request: Basic, the same redirect URI, the verifier of the challenge, nothing else', async () => {
    const browser = gateway.browser();
    const authorizeUrl = await browser.beginLogin('/app/');
    const callbackUrl = await browser.authenticate(authorizeUrl);
    await browser.arrive(callbackUrl);

    const [request, ...more] = gateway.asked('/oauth2/token');
    assert.equal(more.length, 0);
    assert.equal(request.method, 'POST');
    assert.deepEqual(request.query, {});
    const { clientId, clientSecret } = gateway.cognito;
    assert.equal(request.headers.authorization, `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`);
    assert.equal(request.headers['content-type'], 'application/x-www-form-urlencoded');
    assert.equal(request.headers.cookie, undefined);
    const { code_verifier: verifier, ...form } = request.form;
    assert.deepEqual(form, {
      grant_type: 'authorization_code', code: paramsOf(callbackUrl).get('code'), redirect_uri: `${PUBLIC_URL}/auth/callback`,
    });
    assert.match(verifier, /^[\w.~-]{43,128}$/);
    assert.equal(challengeOf(verifier), paramsOf(authorizeUrl).get('code_challenge'));
  });

  test('names a public client in the body and sends no Authorization', async () => {
    await publicClient.signedIn();
    const [request] = publicClient.asked('/oauth2/token');
    assert.equal(request.headers.authorization, undefined);
    assert.equal(request.form.client_id, publicClient.cognito.clientId);
    assert.equal('client_secret' in request.form, false);
    assert.deepEqual(Object.keys(request.form).sort(), ['client_id', 'code', 'code_verifier', 'grant_type', 'redirect_uri']);
  });

  test('is a 303 to the return path, without code and state, that nobody stores', async () => {
    const response = await gateway.browser().signIn('/app/?x=1');
    assert.equal(response.status, 303);
    assert.equal(response.headers.get('location'), '/app/?x=1');
    assert.equal(await response.text(), '');
    assertOwnHeaders(response);
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
  });

  test('sets the session cookie for its whole life and leaves of the flow a cookie of half a minute', async () => {
    const browser = gateway.browser();
    const authorizeUrl = await browser.beginLogin();
    const [flow] = browser.flows;
    const before = browser.cookies.get(flow);
    const cookies = setCookies(await browser.arrive(await browser.authenticate(authorizeUrl)));
    assert.deepEqual([...cookies.keys()].sort(), [flow, 'edgegate-session', 'edgegate-sign-ins'].sort());
    assert.match(cookies.get('edgegate-session').value, /^[\w-]{64}$/);
    assert.deepEqual(cookies.get('edgegate-session').attributes, ['HttpOnly', 'Max-Age=432000', 'Path=/', 'SameSite=Lax']);
    assert.deepEqual(cookies.get(flow).attributes, ['HttpOnly', 'Max-Age=30', 'Path=/', 'SameSite=Lax']);
    assert.ok(cookies.get(flow).value.length < before.length, 'without its nonce and verifier');
  });

  test('makes a new session id each time, and the one before is dead', async () => {
    const browser = await gateway.signedIn();
    const before = browser.copy();
    await browser.signIn();
    assert.notEqual(browser.session, before.session);
    assert.equal((await browser.script('/user-info')).status, 200);
    await assertErrorJson(await before.script('/user-info'), 401, 'session_expired');
    await eventually(async () => (await gateway.sessionKeys()).length === 1, 'one session');
  });

  test('never adopts a session cookie that the client brought', async () => {
    const planted = randomBytes(48).toString('base64url');
    const browser = gateway.browser();
    browser.cookies.set('edgegate-session', planted);
    const thief = browser.copy();
    await browser.signIn();
    assert.notEqual(browser.session, planted);
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.equal((await thief.script('/user-info')).status, 401);
  });

  test('in two tabs: both arrive, the second session replaces the first, whose cookie is dead', async () => {
    const browser = gateway.browser();
    const urls = [await browser.beginLogin('/app/?tab=1'), await browser.beginLogin('/app/?tab=2')];
    const callbacks = [await browser.authenticate(urls[0]), await browser.authenticate(urls[1])];

    const first = await browser.arrive(callbacks[0]);
    assert.equal(first.headers.get('location'), '/app/?tab=1');
    const firstTab = browser.copy();
    const second = await browser.arrive(callbacks[1]);
    assert.equal(second.status, 303);
    assert.equal(second.headers.get('location'), '/app/?tab=2');

    assert.notEqual(browser.session, firstTab.session);
    await assertErrorJson(await firstTab.script('/user-info'), 401, 'session_expired');
    assert.equal((await browser.script('/user-info')).status, 200);
    await eventually(async () => (await gateway.sessionKeys()).length === 1, 'one session');
  });
});

describe('a flow that failed is used up: its cookie is cleared', () => {
  for (const [outcome, { switches = {}, change = (url) => url, status }] of Object.entries({
    'when the code is refused': { switches: { tokenError: 'invalid_grant' }, status: 400 },
    'when the tokens are refused': { switches: { badSignature: 'id' }, status: 502 },
    'when Cognito is in trouble': { switches: { tokenFault: '500' }, status: 503 },
    'when our client is refused': { switches: { tokenError: 'invalid_client' }, status: 500 },
    'when the user cancels': { switches: { authorizeError: { error: 'access_denied' } }, status: 403 },
    'when the code is missing': { change: (url) => url.replace(/code=[^&]*&/, ''), status: 400 },
    'when the code is doubled': { change: (url) => `${url}&code=other`, status: 400 },
    'when the issuer is another': { change: (url) => `${url}&iss=https%3A%2F%2Fevil.example`, status: 400 },
  })) {
    test(outcome, async () => {
      gateway.cognito.set(switches);
      const browser = gateway.browser().hasRetried();
      const authorizeUrl = await browser.beginLogin();
      const [flow] = browser.flows;
      const response = await browser.arrive(change(await browser.authenticate(authorizeUrl)));
      assert.equal(response.status, status);
      assert.equal(setCookies(response).get(flow)?.value, '', 'the flow cookie is cleared');
    });
  }
});

describe('a callback that comes again', () => {
  test('takes a browser that is signed in to its return path for half a minute, and then to /', async () => {
    const browser = gateway.browser();
    const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/'));
    await browser.arrive(callbackUrl);
    const session = browser.session;
    const again = await browser.arrive(callbackUrl);
    assert.equal(again.status, 303);
    assert.equal(again.headers.get('location'), '/app/');
    for (const flow of browser.flows) browser.cookies.delete(flow);
    assert.equal((await browser.arrive(callbackUrl)).headers.get('location'), '/');
    assert.equal(browser.session, session, 'the session goes on');
    assert.equal(gateway.asked('/oauth2/token').length, 1);
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('at once makes one session: both arrive with it, and Cognito is asked once', async () => {
    const browser = gateway.browser();
    const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/?twice'));
    gateway.cognito.set({ latencyMs: 100 });
    const tabs = [browser, browser.copy(), browser.copy()];
    for (const { status, headers } of await Promise.all(tabs.map((tab) => tab.arrive(callbackUrl)))) {
      assert.deepEqual([status, headers.get('location')], [303, '/app/?twice']);
    }
    assert.equal(new Set(tabs.map(({ session }) => session)).size, 1);
    assert.equal(gateway.asked('/oauth2/token').length, 1);
    assert.equal((await gateway.sessionKeys()).length, 1);
    assert.equal((await tabs[2].script('/user-info')).status, 200);
  });

  test('without a session begins a login by itself, once: then it is refused', async () => {
    const browser = gateway.browser();
    const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/'));
    await browser.arrive(callbackUrl);
    browser.cookies.clear();
    const again = await browser.arrive(callbackUrl);
    assert.equal(again.status, 302);
    assert.equal(again.headers.get('location'), '/auth/login?return_to=%2F&retry=1');
    assertOwnHeaders(again);
    assert.deepEqual(setCookies(again).get('edgegate-sign-in-retry')?.attributes, ['HttpOnly', 'Max-Age=60', 'Path=/', 'SameSite=Lax']);
    const page = await assertErrorPage(await browser.arrive(callbackUrl), 400, 'login_expired');
    assert.match(page, /href="\/auth\/login"/);
    assert.equal(gateway.asked('/oauth2/token').length, 1);
  });

  test('is refused with a session that has ended', async () => {
    const browser = gateway.browser().hasRetried();
    const callbackUrl = await browser.authenticate(await browser.beginLogin());
    const before = browser.copy();
    await browser.arrive(callbackUrl);
    const ended = browser.copy();
    await browser.post('/auth/logout');
    for (const copy of [before, ended]) {
      const response = await copy.arrive(callbackUrl);
      await assertErrorPage(response, 400, 'login_expired');
      assert.equal(setCookies(response).has('edgegate-session'), false);
    }
    assert.equal(gateway.asked('/oauth2/token').length, 1);
  });

  test('ahead of the user gets 503 that nobody stores and spends nothing: the login then succeeds', async () => {
    const browser = gateway.browser();
    const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/'));
    for (const headers of [{ 'sec-purpose': 'prefetch' }, { 'sec-purpose': 'Prefetch;Prerender' }, { 'x-purpose': 'preview' }]) {
      const response = await browser.arrive(callbackUrl, headers);
      assert.equal(response.status, 503);
      assertOwnHeaders(response);
      assert.deepEqual(response.headers.getSetCookie(), []);
    }
    assert.deepEqual(gateway.asked('/oauth2/token'), []);
    assert.equal((await browser.arrive(callbackUrl)).headers.get('location'), '/app/');
  });

  test('as a HEAD gets 405 and spends nothing: the login then succeeds', async () => {
    const browser = gateway.browser();
    const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/'));
    const response = await browser.send(callbackUrl, { method: 'HEAD', headers: NAVIGATION });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get('allow'), 'GET');
    assert.deepEqual(response.headers.getSetCookie(), []);
    assert.deepEqual(gateway.asked('/oauth2/token'), []);
    assert.equal((await browser.arrive(callbackUrl)).headers.get('location'), '/app/');
  });
});

describe('errors that Cognito sends', () => {
  const INJECTED = 'PreSignUp failed with error <script>alert(1)</script> evil.example';
  const TABLE = [
    ['access_denied', undefined, 403, 'login_denied'],
    ['server_error', undefined, 503, 'idp_unavailable'],
    ['temporarily_unavailable', undefined, 503, 'idp_unavailable'],
    ['unauthorized_client', undefined, 500, 'idp_misconfigured'],
    ['invalid_scope', undefined, 500, 'idp_misconfigured'],
    ['invalid_request', 'invalid_scope', 500, 'idp_misconfigured'],
    ['login_required', undefined, 401, 'session_required'],
    ['invalid_request', INJECTED, 403, 'login_denied'],
    ['<b>unheard_of</b>', INJECTED, 403, 'login_denied'],
  ];

  for (const [error, description, status, code] of TABLE) {
    const what = `${error}${description ? ` (${description.slice(0, 20)})` : ''}`;
    test(`${what} from Cognito is ${status} ${code}, without its words and without a token request`, async () => {
      gateway.cognito.set({ authorizeError: { error, error_description: description } });
      const browser = gateway.browser();
      const response = await browser.signIn('/app/');
      const page = await assertErrorPage(response, status, code);
      for (const word of ['PreSignUp', 'alert(1)', 'evil.example', 'unheard_of']) assert.equal(page.includes(word), false);
      await assertNoSession(gateway, browser, response);
      assert.deepEqual(browser.flows, []);
      assert.deepEqual(gateway.asked('/oauth2/token'), []);
    });

    test(`${what} in a script's hands is the same, as JSON`, async () => {
      const query = new URLSearchParams({ error, ...(description && { error_description: description }), state: 'nobody-knows' });
      const body = await assertErrorJson(await gateway.browser().script(`/auth/callback?${query}`), status, code);
      assert.doesNotMatch(JSON.stringify(body), /PreSignUp|alert|evil|unheard_of/);
    });
  }

  test('win over a code in the same answer', async () => {
    const browser = gateway.browser();
    const callbackUrl = await browser.authenticate(await browser.beginLogin());
    const response = await browser.arrive(`${callbackUrl}&error=access_denied`);
    await assertErrorPage(response, 403, 'login_denied');
    await assertNoSession(gateway, browser, response);
    assert.deepEqual(gateway.asked('/oauth2/token'), []);
  });

  test('come of a user who cancels, and the page offers the same login again', async () => {
    const browser = gateway.browser();
    const page = await assertErrorPage(await browser.signIn('/app/?x=1', { cancel: true }), 403, 'login_denied');
    assert.match(page, /href="\/auth\/login\?return_to=%2Fapp%2F%3Fx%3D1"/);
  });

  test('come of prompt=none without a session at Cognito', async () => {
    const browser = gateway.browser();
    const { headers } = await browser.navigate('/auth/login?prompt=none');
    await assertErrorPage(await browser.arrive(await browser.authenticate(headers.get('location'))), 401, 'session_required');
  });
});
