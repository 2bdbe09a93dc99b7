// POST /auth/logout: the session ends here, everywhere, and at Cognito.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertOwnHeaders, setCookies } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { FAULTY, PUBLIC_URL, startGateway } from '../support/gateway.mjs';

const HOUR = 3600;

const [gateway, publicClient] = await Promise.all([
  startGateway({ main: FAULTY }),
  startGateway({ vars: { COGNITO_CLIENT_SECRET: null }, cognito: { clientSecret: null } }),
]);
after(() => Promise.all([gateway.close(), publicClient.close()]));
beforeEach(() => gateway.allWell());

/** The request that revokes this refresh token: others may come late from the tests before. */
const revocationOf = (refreshToken, where = gateway) => eventually(
  () => where.asked('/oauth2/revoke').find(({ form }) => form.token === refreshToken),
  'its revocation',
);
const lastRefreshToken = (where = gateway) => where.givenTokens().at(-1).refresh_token;

describe('/auth/logout', () => {
  const { origin, clientId } = gateway.cognito;
  const LOGOUT_URL = `${origin}/logout?client_id=${clientId}&logout_uri=${encodeURIComponent(`${PUBLIC_URL}/`)}`;

  test('ends the session here and at Cognito: cookie cleared, old cookie dead, refresh token revoked', async () => {
    const browser = await gateway.signedIn();
    const refreshToken = lastRefreshToken();
    const stolen = browser.copy();
    const response = await browser.post('/auth/logout');
    assert.equal(response.status, 200);
    assertOwnHeaders(response);
    assert.deepEqual(await response.json(), { success: true, logoutUrl: LOGOUT_URL });
    assert.equal(response.headers.get('clear-site-data'), null, 'browsers would make the answer wait for it');
    const cleared = { value: '', attributes: ['HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Lax'] };
    assert.deepEqual([...setCookies(response)], [['edgegate-session', cleared]]);

    await assertErrorJson(await stolen.script('/user-info'), 401, 'session_expired');
    assert.equal((await stolen.navigate('/app/')).status, 302);
    const revocation = await revocationOf(refreshToken);
    assert.equal(revocation.method, 'POST');
    assert.deepEqual(revocation.form, { token: refreshToken });
    assert.equal(revocation.headers.authorization, `Basic ${Buffer.from(`${clientId}:${gateway.cognito.clientSecret}`).toString('base64')}`);
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
    assert.equal(response.headers.get('location'), LOGOUT_URL);
    assert.equal(response.headers.get('clear-site-data'), '"cache"', 'gated pages that the browser keeps are for nobody who comes next');
    assert.equal(browser.session, undefined);
  });

  test('clears the browser\'s cache for a script that asks for it beside its sign-out, and signs nobody out', async () => {
    const browser = await gateway.signedIn();
    const { session } = browser;
    const response = await browser.post('/auth/logout?clear=cache');
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('clear-site-data'), '"cache"');
    assert.equal(response.headers.get('set-cookie'), null);
    assert.deepEqual(await response.json(), { success: true });
    assert.equal(browser.session, session);
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('without a session is the same answer', async () => {
    for (const cookie of [undefined, 'edgegate-session=nonsense', `edgegate-session=${'A'.repeat(64)}`]) {
      const browser = gateway.browser();
      const response = await browser.post('/auth/logout', undefined, cookie ? { cookie } : {});
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), { success: true, logoutUrl: LOGOUT_URL });
      assert.equal(setCookies(response).get('edgegate-session').value, '');
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
      const refreshToken = lastRefreshToken();
      const began = Date.now();
      const response = await browser.post('/auth/logout');
      assert.ok(Date.now() - began < 3500, `${Date.now() - began} ms`);
      assert.equal((await response.json()).success, true);
      await revocationOf(refreshToken);
    });
  }

  test('of a public client revokes with the client id in the body', async () => {
    const browser = await publicClient.signedIn();
    await browser.post('/auth/logout');
    const revocation = await revocationOf(lastRefreshToken(publicClient), publicClient);
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
    await eventually(() => gateway.refreshes().length === 1, 'a refresh under way');
    assert.equal((await browser.post('/auth/logout')).status, 200);
    const refreshed = await refreshing;
    await assertErrorJson(refreshed, 401, 'session_expired');
    const left = new Set(await gateway.sessionKeys());
    assert.equal([...before].filter((name) => !left.has(name)).length, 1);
    await gateway.newIsolate();
    await assertErrorJson(await stolen.script('/user-info'), 401, 'session_expired');
  });
});
