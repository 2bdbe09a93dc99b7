// The life of a session: status, tokens, renewal and what can go wrong with it, the outage grace, logout. Time passes by the
// Worker's clock (faulty-worker.mjs) and Cognito's; one test at the end waits for real time.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { assertErrorJson, assertErrorPage, assertOwnHeaders, setCookies } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { FAULTY, PUBLIC_URL, startGateway } from '../support/gateway.mjs';

const HOUR = 3600;
const FIVE_DAYS = 432_000;
/** After trouble a session is tried again at most every ten seconds, jittered. */
const RETRY_SECS = 15;
const PAGE = `${PUBLIC_URL}/signed-in.html`;
const [gateway, tokenless, short] = await Promise.all([
  startGateway({ main: FAULTY }),
  startGateway({ vars: { BROWSER_TOKENS: 'none', REDIRECT_URI: PAGE, COGNITO_CLIENT_SECRET: null }, cognito: { clientSecret: null } }),
  startGateway({ main: FAULTY, vars: { REDIRECT_URI: PAGE, SESSION_IDLE_SECS: '7200', SESSION_TTL_SECS: '10800' } }),
]);
after(() => Promise.all([gateway.close(), tokenless.close(), short.close()]));
beforeEach(() => Promise.all([gateway.allWell(), tokenless.allWell(), short.allWell()]));

const refreshes = (where = gateway) => where.asked('/oauth2/token').filter(({ form }) => form?.grant_type === 'refresh_token');
const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

/** The 200 of /auth/refresh: exactly the contract's members. */
async function tokenOf(response) {
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  assert.deepEqual(Object.keys(body), ['success', 'access_token', 'expires_in']);
  assert.equal(body.success, true);
  assert.ok(Number.isInteger(body.expires_in));
  assert.deepEqual(response.headers.getSetCookie(), [], 'only login and logout set the cookie');
  assertOwnHeaders(response);
  return body;
}

/** The session is still good: nothing has ended it. */
async function assertLives(browser) {
  await gateway.allWell();
  await gateway.passTime(RETRY_SECS);
  assert.equal((await browser.script('/user-info')).status, 200);
}

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
    for (const cookie of ['session=x', `session=${'A'.repeat(64)}`, `session=${ended.session}`, `session=${ended.session}; session=${ended.session}`]) {
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
    'no cookie': undefined, 'an empty one': 'session=', 'a short one': 'session=abc', 'a long one': `session=${'A'.repeat(65)}`,
    'letters that are not base64url': `session=${'!'.repeat(64)}`, 'the name in capitals': `SESSION=${'A'.repeat(64)}`,
  })) {
    test(`with ${what} is 401 session_required`, async () => {
      const response = await gateway.browser().script('/user-info', { headers: cookie === undefined ? {} : { cookie } });
      await assertErrorJson(response, 401, 'session_required');
    });
  }

  test('with the id of nobody is 401 session_expired, and the cookie stays as it is', async () => {
    const response = await gateway.browser().script('/user-info', { headers: { cookie: `session=${'A'.repeat(64)}` } });
    assert.deepEqual(response.headers.getSetCookie(), []);
    await assertErrorJson(response, 401, 'session_expired');
  });

  test('with the cookie twice is 401: one of them was planted', async () => {
    const browser = await gateway.signedIn();
    const cookie = `session=${browser.session}; session=${'A'.repeat(64)}`;
    await assertErrorJson(await gateway.browser().script('/user-info', { headers: { cookie } }), 401, 'session_required');
  });
});

describe('/auth/refresh', () => {
  test('gives the stored token while it is fresh, without asking Cognito', async () => {
    const browser = await gateway.signedIn();
    const first = await tokenOf(await browser.post('/auth/refresh'));
    assert.ok(first.expires_in > HOUR - 20 && first.expires_in <= HOUR);
    assert.equal(claimsOf(first.access_token).token_use, 'access');
    await gateway.passTime(100);
    const second = await tokenOf(await browser.post('/auth/refresh', {}));
    assert.equal(second.access_token, first.access_token);
    assert.ok(second.expires_in <= first.expires_in - 99, 'expires_in is what remains');
    assert.equal((await tokenOf(await browser.post('/auth/refresh', { force: false }))).access_token, first.access_token);
    assert.deepEqual(refreshes(), []);
  });

  test('asks Cognito when forced, once per 30 s and session', async () => {
    const browser = await gateway.signedIn();
    const { access_token: first } = await tokenOf(await browser.post('/auth/refresh'));
    const { access_token: second } = await tokenOf(await browser.post('/auth/refresh', { force: true }));
    assert.notEqual(second, first);
    assert.equal((await tokenOf(await browser.post('/auth/refresh', { force: true }))).access_token, second);
    await gateway.passTime(28);
    assert.equal((await tokenOf(await browser.post('/auth/refresh', { force: true }))).access_token, second);
    assert.equal(refreshes().length, 1);
    await gateway.passTime(3);
    assert.notEqual((await tokenOf(await browser.post('/auth/refresh', { force: true }))).access_token, second);
    assert.equal(refreshes().length, 2);
  });

  test('sends the stored refresh token with Basic, and nothing else', async () => {
    const browser = await gateway.signedIn();
    await browser.post('/auth/refresh', { force: true });
    const [{ form, headers, query }] = refreshes();
    assert.deepEqual(Object.keys(form).sort(), ['grant_type', 'refresh_token']);
    assert.match(form.refresh_token, /^eyJ/);
    const { clientId, clientSecret } = gateway.cognito;
    assert.equal(headers.authorization, `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`);
    assert.deepEqual(query, {});
  });

  test('renews when the end is near', async () => {
    const browser = await gateway.signedIn();
    const { access_token: old } = await tokenOf(await browser.post('/auth/refresh'));
    await gateway.passTime(HOUR - 100);
    const { access_token: renewed, expires_in: left } = await tokenOf(await browser.post('/auth/refresh'));
    assert.notEqual(renewed, old);
    assert.ok(left > HOUR - 20);
    assert.equal(refreshes().length, 1);
  });

  test('renews after the end', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    assert.ok((await tokenOf(await browser.post('/auth/refresh'))).expires_in > HOUR - 20);
    assert.equal(refreshes().length, 1);
  });

  for (const body of ['nonsense', '[]', '"force"', '{"force":1}', '{"force":"true"}', '{"force":true']) {
    test(`with the body ${body} is 400`, async () => {
      const browser = await gateway.signedIn();
      const response = await browser.script('/auth/refresh', { method: 'POST', body, headers: { 'content-type': 'application/json' } });
      await assertErrorJson(response, 400, 'invalid_request');
      assert.deepEqual(refreshes(), []);
    });
  }

  test('without a session is 401 with the way to the login', async () => {
    const body = await assertErrorJson(await gateway.browser().post('/auth/refresh'), 401, 'session_required');
    assert.equal(body.loginUrl, `${PUBLIC_URL}/auth/login`);
  });
});

describe('a renewal', () => {
  test('is not noticed by a page whose token has expired', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    const response = await browser.navigate('/app/');
    assert.equal(response.status, 200);
    assert.match(await response.text(), /<html/);
    assert.equal(refreshes().length, 1);
  });

  test('happens beside the answer of a page when the end is near', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR - 100);
    const stored = JSON.stringify(await gateway.dumpKv());
    gateway.cognito.set({ tokenFault: 'slow', slowMs: 3000 });
    const began = Date.now();
    assert.equal((await browser.navigate('/app/')).status, 200);
    assert.ok(Date.now() - began < 2500, 'the page does not wait for Cognito');
    await eventually(async () => JSON.stringify(await gateway.dumpKv()) !== stored, 'a record renewed beside the answer');
    await gateway.passTime(200);
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.equal(refreshes().length, 1, 'what was renewed beside has been kept');
  });

  test('of twenty requests at once asks Cognito once, and all are served', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    gateway.cognito.set({ latencyMs: 100 });
    const paths = ['/user-info', '/app/', '/auth/status', '/admin/'];
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => (
      index % 5 === 4 ? browser.post('/auth/refresh') : browser.script(paths[index % 5]))));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    const tokens = await Promise.all(answers.filter((_, index) => index % 5 === 4).map(tokenOf));
    assert.equal(new Set(tokens.map(({ access_token: token }) => token)).size, 1);
    assert.equal(refreshes().length, 1);
  });

  test('brings the new claims, groups included', async () => {
    const browser = await gateway.signedIn();
    assert.equal((await browser.navigate('/admin/')).status, 200);
    Object.assign(gateway.cognito.users['alice@example.com'], { groups: ['staff'], name: 'Alice Park', email: 'alice.park@example.com' });
    await gateway.passTime(HOUR + 1);
    await assertErrorPage(await browser.navigate('/admin/'), 403, 'forbidden');
    const { name, email, groups } = await (await browser.script('/user-info')).json();
    assert.deepEqual({ name, email, groups }, { name: 'Alice Park', email: 'alice.park@example.com', groups: ['staff'] });
  });

  test('keeps the refresh token when Cognito gives no new one', async () => {
    const browser = await gateway.signedIn();
    for (let round = 1; round <= 3; round += 1) {
      await gateway.passTime(HOUR + 1);
      assert.equal((await browser.script('/user-info')).status, 200);
      assert.equal(refreshes().length, round);
    }
    assert.equal(new Set(refreshes().map(({ form }) => form.refresh_token)).size, 1);
  });

  test('takes the new refresh token when rotation is on, also for another isolate', async () => {
    gateway.cognito.set({ rotation: true, rotationGrace: 0 });
    const browser = await gateway.signedIn();
    for (let round = 1; round <= 3; round += 1) {
      await gateway.passTime(HOUR + 1);
      await gateway.newIsolate();
      assert.equal((await browser.script('/user-info')).status, 200);
    }
    assert.equal(new Set(refreshes().map(({ form }) => form.refresh_token)).size, 3);
  });

  test('whose answer was lost succeeds at the next try, within the rotation grace', async () => {
    gateway.cognito.set({ rotation: true, rotationGrace: 60 });
    const browser = await gateway.signedIn();
    gateway.cognito.set({ tokenFault: 'drop', tokenFaultCount: 1 });
    await gateway.passTime(HOUR + 1);
    await assertErrorJson(await browser.script('/user-info'), 503, 'idp_unavailable');
    await gateway.passTime(RETRY_SECS);
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  for (const [flaw, switches] of Object.entries({
    'another sub': { refreshClaims: { sub: 'somebody-else' } },
    'another issuer': { refreshClaims: { iss: 'https://evil.example/pool' } },
    'another client': { accessClaims: { client_id: 'another' } },
    'another audience': { idClaims: { aud: 'another' } },
    'another nonce': { refreshNonce: 'other' },
    'another auth_time': { refreshClaims: { auth_time: 1 } },
    'an iat before the last': { refreshClaims: { iat: 1 } },
    'a bad signature': { badSignature: 'access' },
    'alg none': { idAlg: 'none' },
  })) {
    test(`with ${flaw} is refused and keeps the session`, async () => {
      const browser = await gateway.signedIn();
      await gateway.passTime(HOUR + 1);
      gateway.cognito.set(switches);
      const response = await browser.script('/user-info');
      assert.deepEqual(response.headers.getSetCookie(), []);
      await assertErrorJson(response, 502, 'token_rejected');
      await assertLives(browser);
    });
  }

  for (const [harmless, switches] of Object.entries({ 'the same nonce': { refreshNonce: 'same' }, 'no ID token': { omitIdToken: true } })) {
    test(`with ${harmless} is good`, async () => {
      const browser = await gateway.signedIn();
      await gateway.passTime(HOUR + 1);
      gateway.cognito.set(switches);
      const { email, groups } = await (await browser.script('/user-info')).json();
      assert.deepEqual({ email, groups }, { email: 'alice@example.com', groups: ['admin'] });
    });
  }
});

describe('a user who may not come any more', () => {
  async function disable() {
    const browser = await gateway.signedIn({ email: 'bob@example.com' });
    gateway.cognito.users['bob@example.com'].enabled = false;
    return browser;
  }

  test('is out when the access token ends: 401 refresh_rejected for scripts, the login for a page', async () => {
    const browser = await disable();
    assert.equal((await browser.script('/user-info')).status, 200, 'the token lives');
    await gateway.passTime(HOUR + 1);
    for (const response of [await browser.script('/user-info'), await browser.post('/auth/refresh'), await browser.script('/app/')]) {
      assert.deepEqual(response.headers.getSetCookie(), []);
      await assertErrorJson(response, 401, 'refresh_rejected');
    }
    const page = await browser.navigate('/app/?x=1');
    assert.equal(page.status, 302);
    assert.equal(page.headers.get('location'), '/auth/login?return_to=%2Fapp%2F%3Fx%3D1');
    assert.equal((await (await browser.script('/auth/status')).json()).authenticated, false);
    assert.equal(refreshes().length, 1, 'a refused token is not sent again');
  });

  test('keeps the record: a refusal deletes and overwrites nothing', async () => {
    const browser = await disable();
    const before = await recordsOf(browser);
    await gateway.passTime(HOUR + 1);
    await assertErrorJson(await browser.script('/user-info'), 401, 'refresh_rejected');
    assert.ok(before.length > 0);
    assert.deepEqual(await recordsOf(browser), before);
  });

  test('has the stored token while it lives, also when a forced refresh is refused', async () => {
    const browser = await disable();
    const { access_token: stored } = await tokenOf(await browser.post('/auth/refresh'));
    assert.equal((await tokenOf(await browser.post('/auth/refresh', { force: true }))).access_token, stored);
    assert.equal(refreshes().length, 1);
  });

  test('is asked for again after ten minutes', async () => {
    const browser = await disable();
    await gateway.passTime(HOUR + 1);
    await assertErrorJson(await browser.script('/user-info'), 401, 'refresh_rejected');
    await gateway.passTime(590);
    await assertErrorJson(await browser.script('/user-info'), 401, 'refresh_rejected');
    assert.equal(refreshes().length, 1);
    await gateway.passTime(20);
    await assertErrorJson(await browser.script('/user-info'), 401, 'refresh_rejected');
    assert.equal(refreshes().length, 2);
  });

  /** The cookie begins with the tag of its user, which the key has in full. */
  async function recordsOf(browser) {
    const records = (await gateway.dumpKv()).filter(({ name }) => name.startsWith('session/'));
    return records.filter(({ name }) => name.split('/')[1].startsWith(browser.session.slice(0, 21)));
  }
});

describe('trouble that passes keeps the session:', () => {
  for (const [switches, status, code] of [
    [{ tokenFault: '429' }, 503, 'idp_throttled'],
    [{ tokenFault: '500' }, 503, 'idp_unavailable'],
    [{ tokenFault: '503' }, 503, 'idp_unavailable'],
    [{ tokenFault: '403' }, 503, 'idp_unavailable'],
    [{ tokenFault: 'html' }, 503, 'idp_unavailable'],
    [{ tokenFault: 'html200' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'empty' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'redirect307' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'truncated' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'slow' }, 504, 'idp_timeout'],
    [{ tokenError: 'invalid_client' }, 500, 'idp_misconfigured'],
    [{ tokenError: 'invalid_client', invalidClient401: true }, 500, 'idp_misconfigured'],
    [{ tokenError: 'unauthorized_client' }, 500, 'idp_misconfigured'],
  ]) {
    test(`${Object.values(switches).join(' ')} is ${status} ${code}`, async () => {
      const browser = await gateway.signedIn();
      gateway.cognito.set(switches);
      await gateway.passTime(HOUR - 100);
      await tokenOf(await browser.post('/auth/refresh')); // the stored token is served while it lives
      await gateway.passTime(101);
      const response = await browser.post('/auth/refresh');
      assert.deepEqual(response.headers.getSetCookie(), []);
      await assertErrorJson(response, status, code);
      await assertLives(browser);
    });
  }

  test('nobody there is 503 idp_unavailable', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    await gateway.setWorld({ unreachable: gateway.cognito.origin });
    await assertErrorJson(await browser.post('/auth/refresh'), 503, 'idp_unavailable');
    await assertLives(browser);
  });

  test('and Cognito is asked again at most every ten seconds', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    gateway.cognito.set({ tokenFault: '500' });
    for (let index = 0; index < 5; index += 1) await assertErrorJson(await browser.script('/user-info'), 503, 'idp_unavailable');
    assert.equal(refreshes().length, 1);
    await gateway.passTime(RETRY_SECS);
    await assertErrorJson(await browser.script('/user-info'), 503, 'idp_unavailable');
    assert.equal(refreshes().length, 2);
  });
});

describe('the outage grace', () => {
  test('keeps pages open for ten minutes, and neither tokens, claims nor rules with groups', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    gateway.cognito.set({ tokenFault: '503' });
    assert.equal((await browser.navigate('/app/')).status, 200);
    await assertErrorJson(await browser.post('/auth/refresh'), 503, 'idp_unavailable');
    await assertErrorJson(await browser.script('/user-info'), 503, 'idp_unavailable');
    await assertErrorJson(await browser.script('/auth/status'), 503, 'idp_unavailable');
    await assertErrorPage(await browser.navigate('/admin/'), 503, 'idp_unavailable');

    await gateway.passTime(590);
    assert.equal((await browser.navigate('/app/')).status, 200);
    await gateway.passTime(15);
    await assertErrorPage(await browser.navigate('/app/'), 503, 'idp_unavailable');
    await assertLives(browser);
    assert.equal((await browser.navigate('/app/')).status, 200);
  });

  test('is for trouble only: a user who was refused is not let in by it', async () => {
    const browser = await gateway.signedIn({ email: 'bob@example.com' });
    gateway.cognito.users['bob@example.com'].enabled = false;
    await gateway.passTime(HOUR + 1);
    assert.equal((await browser.navigate('/app/')).status, 302);
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

describe('/auth/token', () => {
  /** A login that came back to a page of the app: its code and state. */
  async function atPage(browser, returnTo) {
    const { origin, pathname, searchParams } = new URL(await browser.authenticate(await browser.beginLogin(returnTo)));
    assert.equal(origin + pathname, PAGE);
    return { code: searchParams.get('code'), state: searchParams.get('state') };
  }

  test('gives success, access_token and expires_in, and sets the session cookie', async () => {
    const browser = short.browser();
    const body = await atPage(browser, '/app/?x=1');
    const [flow] = browser.flows;
    const response = await browser.post('/auth/token', body);
    assert.equal(response.status, 200);
    assertOwnHeaders(response);
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.equal(response.headers.get('location'), '/app/?x=1', 'where the page goes on to');
    const cookies = setCookies(response);
    assert.deepEqual([...cookies.keys()].sort(), [flow, 'session'].sort());
    assert.deepEqual(cookies.get('session').attributes, ['HttpOnly', 'Max-Age=10800', 'Path=/', 'SameSite=Lax']);
    assert.equal(cookies.get(flow).value, '');
    const answer = await response.json();
    assert.deepEqual(Object.keys(answer), ['success', 'access_token', 'expires_in']);
    assert.equal(answer.success, true);
    assert.ok(answer.expires_in > HOUR - 20 && answer.expires_in <= HOUR);
    assert.equal(claimsOf(answer.access_token).token_use, 'access');
    const [{ form }] = short.asked('/oauth2/token');
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
    const browser = short.browser();
    const body = await atPage(browser, '/');
    await browser.post('/auth/token', body);
    const { session } = browser;
    const again = await browser.post('/auth/token', body);
    assert.equal(again.status, 200);
    assert.equal((await again.json()).success, true);
    assert.equal(browser.session, session);
    assert.equal(short.asked('/oauth2/token').length, 1);
  });

  for (const [what, send] of Object.entries({
    'a form': (browser, body) => browser.script('/auth/token', { method: 'POST', body: String(new URLSearchParams(body)), headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
    'text': (browser, body) => browser.script('/auth/token', { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'text/plain' } }),
    'no content type': (browser, body) => browser.script('/auth/token', { method: 'POST', body: JSON.stringify(body) }),
    'no body': (browser) => browser.script('/auth/token', { method: 'POST', body: '', headers: { 'content-type': 'application/json' } }),
    'broken JSON': (browser) => browser.script('/auth/token', { method: 'POST', body: '{"code":', headers: { 'content-type': 'application/json' } }),
    'no state': (browser, { code }) => browser.post('/auth/token', { code }),
    'no code': (browser, { state }) => browser.post('/auth/token', { state }),
    'an empty code': (browser, { state }) => browser.post('/auth/token', { state, code: '' }),
    'a code that is a number': (browser, { state }) => browser.post('/auth/token', { state, code: 7 }),
    'the code twice': (browser, { code, state }) => browser.script('/auth/token', { method: 'POST', body: `{"code":"x","code":"${code}","state":"${state}"}`, headers: { 'content-type': 'application/json' } }),
    'a list': (browser, { code, state }) => browser.post('/auth/token', [code, state]),
  })) {
    test(`with ${what} is 400, with no token request and no session`, async () => {
      const browser = short.browser();
      const body = await atPage(browser, '/');
      await assertErrorJson(await send(browser, body), 400, 'invalid_request');
      assert.equal(browser.session, undefined);
      assert.deepEqual(short.asked('/oauth2/token'), []);
    });
  }

  test('with the state of another browser is 400 and spends nothing', async () => {
    const other = short.browser();
    const body = await atPage(other, '/');
    const browser = short.browser();
    await assertErrorJson(await browser.post('/auth/token', body), 400, 'login_expired');
    await browser.beginLogin();
    await assertErrorJson(await browser.post('/auth/token', body), 400, 'state_mismatch');
    assert.deepEqual(short.asked('/oauth2/token'), []);
    assert.equal((await other.post('/auth/token', body)).status, 200);
  });

  test('with a code that Cognito refuses is 400 code_rejected and clears the flow', async () => {
    const browser = short.browser();
    const { state } = await atPage(browser, '/');
    const response = await browser.post('/auth/token', { code: '00000000-0000-4000-8000-000000000000', state });
    await assertErrorJson(response, 400, 'code_rejected');
    assert.deepEqual(browser.flows, []);
    assert.equal(browser.session, undefined);
  });
});

describe('/auth/logout', () => {
  const LOGOUT_URL = () => `${gateway.cognito.origin}/logout?client_id=${gateway.cognito.clientId}&logout_uri=${encodeURIComponent(`${PUBLIC_URL}/`)}`;

  test('ends the session here and at Cognito: cookie cleared, old cookie dead, refresh token revoked', async () => {
    const browser = await gateway.signedIn();
    await browser.post('/auth/refresh', { force: true });
    const [{ form: { refresh_token: refreshToken } }] = refreshes();
    const stolen = browser.copy();
    const response = await browser.post('/auth/logout');
    assert.equal(response.status, 200);
    assertOwnHeaders(response);
    assert.deepEqual(await response.json(), { success: true, logoutUrl: LOGOUT_URL() });
    assert.deepEqual([...setCookies(response)], [['session', { value: '', attributes: ['HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Lax'] }]]);

    await assertErrorJson(await stolen.script('/user-info'), 401, 'session_expired');
    assert.equal((await stolen.navigate('/app/')).status, 302);
    const [revocation] = await eventually(() => gateway.asked('/oauth2/revoke').length && gateway.asked('/oauth2/revoke'), 'a revocation');
    assert.equal(revocation.method, 'POST');
    assert.deepEqual(revocation.form, { token: refreshToken });
    const { clientId, clientSecret } = gateway.cognito;
    assert.equal(revocation.headers.authorization, `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`);
  });

  test('marks the session as ended and deletes its record, in this isolate and the next', async () => {
    const browser = await gateway.signedIn({ email: 'bob@example.com' });
    const stolen = browser.copy();
    const before = await gateway.sessionKeys();
    await browser.post('/auth/logout');
    const left = new Set(await gateway.sessionKeys());
    const gone = before.filter((name) => !left.has(name));
    assert.equal(gone.length, 1);
    const mark = gone[0].replace(/^session/, 'ended');
    assert.ok((await gateway.dumpKv()).some(({ name, value }) => name === mark && value === '1'), 'the mark');
    await gateway.newIsolate();
    await assertErrorJson(await stolen.script('/user-info'), 401, 'session_expired');
  });

  test('gives a form a 303 to Cognito', async () => {
    const browser = await gateway.signedIn();
    const response = await browser.postForm('/auth/logout');
    assert.equal(response.status, 303);
    assert.equal(response.headers.get('location'), LOGOUT_URL());
    assert.equal(browser.session, undefined);
  });

  test('without a session is the same answer', async () => {
    for (const cookie of [undefined, 'session=nonsense', `session=${'A'.repeat(64)}`]) {
      const browser = gateway.browser();
      const response = await browser.post('/auth/logout', undefined, cookie ? { cookie } : {});
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), { success: true, logoutUrl: LOGOUT_URL() });
      assert.equal(setCookies(response).get('session').value, '');
    }
    assert.equal((await gateway.browser().postForm('/auth/logout')).status, 303);
  });

  test('leads to a page of Cognito that sends the browser back', async () => {
    const browser = await gateway.signedIn();
    const { logoutUrl } = await (await browser.post('/auth/logout')).json();
    const response = await fetch(logoutUrl, { redirect: 'manual' });
    assert.equal(response.status, 302);
    assert.equal(response.headers.get('location'), `${PUBLIC_URL}/`);
  });

  for (const [trouble, switches] of Object.entries({ 'an error': { revokeFault: '500' }, 'silence': { revokeFault: 'slow', slowMs: 4000 } })) {
    test(`does not wait for the revocation, nor fail with it: ${trouble}`, async () => {
      gateway.cognito.set(switches);
      const browser = await gateway.signedIn();
      const began = Date.now();
      const response = await browser.post('/auth/logout');
      assert.ok(Date.now() - began < 3500, `${Date.now() - began} ms`);
      assert.equal((await response.json()).success, true);
      await eventually(() => gateway.asked('/oauth2/revoke').length === 1, 'a revocation');
    });
  }

  test('of a public client revokes with the client id in the body', async () => {
    const browser = await tokenless.signedIn();
    await browser.post('/auth/logout');
    const [revocation] = await eventually(() => tokenless.asked('/oauth2/revoke').length && tokenless.asked('/oauth2/revoke'), 'a revocation');
    assert.deepEqual(Object.keys(revocation.form).sort(), ['client_id', 'token']);
    assert.equal(revocation.headers.authorization, undefined);
  });

  test('while a refresh is under way wins: the refresh brings nothing back', async () => {
    const browser = await gateway.signedIn();
    const stolen = browser.copy();
    await gateway.passTime(HOUR + 1);
    const before = new Set(await gateway.sessionKeys());
    gateway.cognito.set({ tokenFault: 'slow', slowMs: 1500 });
    const refreshing = browser.copy().post('/auth/refresh');
    await eventually(() => refreshes().length === 1, 'a refresh under way');
    assert.equal((await browser.post('/auth/logout')).status, 200);
    const refreshed = await refreshing;
    await assertErrorJson(refreshed, 401, 'session_expired');
    const left = new Set(await gateway.sessionKeys());
    assert.equal([...before].filter((name) => !left.has(name)).length, 1);
    await gateway.newIsolate();
    await assertErrorJson(await stolen.script('/user-info'), 401, 'session_expired');
  });
});

test('a token of three real seconds is renewed when they have passed', async () => {
  tokenless.cognito.set({ accessTtl: 3 });
  const browser = await tokenless.signedIn();
  await sleep(3200);
  assert.equal((await browser.script('/user-info')).status, 200);
  assert.equal(refreshes(tokenless).length, 1);
});
