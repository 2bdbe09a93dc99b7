// The optional rate limit in the real runtime: which routes it holds for, who is counted together, what a refusal costs.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage } from '../support/answers.mjs';
import { NAVIGATION, OWN_SCRIPT, PUBLIC_URL, startGateway } from '../support/gateway.mjs';

/** So many a minute, by the clock of the runtime: a minute may end between two of ours. */
const LIMIT = 3;
const config = { ratelimits: [{ name: 'RATE_LIMITER', namespace_id: '1', simple: { limit: LIMIT, period: 60 } }] };

const [gateway, free] = await Promise.all([startGateway({ config }), startGateway()]);
after(() => Promise.all([gateway.close(), free.close()]));

/** Each test is a client of its own, as Cloudflare would see it. */
let clients = 0;
const newClient = () => `203.0.113.${clients += 1}`;
const from = (client, headers = {}) => ({ ...headers, 'cf-connecting-ip': client });

/** The four routes; an answer that is not 429 is the route's own. */
const ROUTES = {
  '/auth/login': (client, where = gateway) => where.fetch('/auth/login', { headers: from(client, NAVIGATION) }),
  '/auth/callback': (client, where = gateway) => where.fetch('/auth/callback?code=a&state=b', {
    headers: from(client, OWN_SCRIPT),
  }),
  '/auth/token': (client, where = gateway) => where.fetch('/auth/token', {
    method: 'POST', body: '{}', headers: from(client, { ...OWN_SCRIPT, origin: PUBLIC_URL, 'content-type': 'application/json' }),
  }),
};

/** Asks until it is refused, and gives that answer. */
async function untilLimited(ask) {
  for (let index = 0; index < 2 * LIMIT + 1; index += 1) {
    const response = await ask();
    if (response.status === 429) return response;
  }
  throw new Error('is not limited');
}

describe('a limit that is bound', () => {
  for (const [route, ask] of Object.entries(ROUTES)) {
    test(`holds for ${route}: 429 with Retry-After, for that client and nobody else`, async () => {
      const [client, other] = [newClient(), newClient()];
      const response = await untilLimited(() => ask(client));
      assert.ok(Number(response.headers.get('retry-after')) >= 1);
      assert.equal(response.status, 429);
      assert.deepEqual(response.headers.getSetCookie(), []);
      assert.notEqual((await ask(other)).status, 429, 'another client');
    });
  }

  test('counts each route for itself', async () => {
    const client = newClient();
    await untilLimited(() => ROUTES['/auth/login'](client));
    assert.notEqual((await ROUTES['/auth/callback'](client)).status, 429);
  });

  test('counts the addresses of one IPv6 network together, and another network for itself', async () => {
    let host = 0;
    await untilLimited(() => ROUTES['/auth/login'](`2001:db8:0:1::${(host += 1).toString(16)}`));
    assert.notEqual((await ROUTES['/auth/login']('2001:db8:0:2::1')).status, 429);
  });

  describe('on /auth/refresh', () => {
    let browser;
    before(async () => { browser = await gateway.signedIn(); });

    test('counts by session, not by address: the next one of the same client is served', async () => {
      await assertErrorJson(await untilLimited(() => browser.post('/auth/refresh')), 429, 'rate_limited');
      const other = await gateway.signedIn({ email: 'bob@example.com' });
      assert.equal((await other.post('/auth/refresh')).status, 200);
    });

    test('leaves the session as it is, for everything else', async () => {
      await untilLimited(() => browser.post('/auth/refresh', { force: true }));
      assert.equal((await browser.script('/user-info')).status, 200);
      assert.equal((await browser.navigate('/app/')).status, 200);
      assert.deepEqual(gateway.refreshes().length <= 1, true, 'a forced refresh that is refused asks nobody');
    });

    test('does not keep anybody from signing out', async () => {
      await untilLimited(() => browser.post('/auth/refresh'));
      assert.equal((await browser.post('/auth/logout')).status, 200);
    });
  });

  test('spends neither the code nor the flow of a login that it refuses: another address can end it', async () => {
    const browser = gateway.browser();
    const client = newClient();
    const login = await browser.navigate('/auth/login?return_to=%2Fapp%2F', { 'cf-connecting-ip': newClient() });
    const callbackUrl = await browser.authenticate(login.headers.get('location'));
    await untilLimited(() => ROUTES['/auth/callback'](client));
    const codes = gateway.asked('/oauth2/token').length;
    const refused = await browser.arrive(callbackUrl, { 'cf-connecting-ip': client });
    assert.deepEqual(refused.headers.getSetCookie(), []);
    await assertErrorPage(refused, 429, 'rate_limited');
    assert.equal(gateway.asked('/oauth2/token').length, codes);
    const arrived = await browser.arrive(callbackUrl, { 'cf-connecting-ip': newClient() });
    assert.equal(arrived.headers.get('location'), '/app/');
  });
});

test('without a limit nobody is counted, on any of the four routes', async () => {
  const browser = await free.signedIn();
  for (let index = 0; index < 4 * LIMIT; index += 1) {
    for (const ask of Object.values(ROUTES)) assert.notEqual((await ask('203.0.113.250', free)).status, 429);
    assert.equal((await browser.post('/auth/refresh')).status, 200);
  }
});
