// Renewing a session's tokens, what can go wrong with it, and what stays open meanwhile. Time passes by the Worker's clock
// (faulty-worker.mjs) and Cognito's; one test at the end waits for real time. Bad tokens and answers are in hostile-refresh.test.mjs.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { assertErrorJson, assertErrorPage, assertTokenJson } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { FAULTY, startGateway } from '../support/gateway.mjs';

const HOUR = 3600;
/** After trouble a session is tried again at most every ten seconds, jittered. */
const RETRY_SECS = 15;

const [gateway, real] = await Promise.all([startGateway({ main: FAULTY }), startGateway()]);
after(() => Promise.all([gateway.close(), real.close()]));
beforeEach(() => gateway.allWell());

/** The session is still good: nothing has ended it. */
async function assertLives(browser) {
  await gateway.allWell();
  await gateway.passTime(RETRY_SECS);
  assert.equal((await browser.script('/user-info')).status, 200);
}

describe('a renewal', () => {
  test('is not noticed by a page whose token has expired', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    const response = await browser.navigate('/app/');
    assert.equal(response.status, 200);
    assert.match(await response.text(), /<html/);
    assert.equal(gateway.refreshes().length, 1);
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
    assert.equal(gateway.refreshes().length, 1, 'what was renewed beside has been kept');
  });

  test('of twenty requests at once asks Cognito once, and all are served', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    gateway.cognito.set({ latencyMs: 100 });
    const paths = ['/user-info', '/app/', '/auth/status', '/admin/'];
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => (
      index % 5 === 4 ? browser.post('/auth/refresh') : browser.script(paths[index % 5]))));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    const tokens = await Promise.all(answers.filter((_, index) => index % 5 === 4).map(assertTokenJson));
    assert.equal(new Set(tokens.map(({ access_token: token }) => token)).size, 1);
    assert.equal(gateway.refreshes().length, 1);
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
      assert.equal(gateway.refreshes().length, round);
    }
    assert.equal(new Set(gateway.refreshes().map(({ form }) => form.refresh_token)).size, 1);
  });

  test('takes the new refresh token when rotation is on, also for another isolate', async () => {
    gateway.cognito.set({ rotation: true, rotationGrace: 0 });
    const browser = await gateway.signedIn();
    for (let round = 1; round <= 3; round += 1) {
      await gateway.passTime(HOUR + 1);
      await gateway.newIsolate();
      assert.equal((await browser.script('/user-info')).status, 200);
    }
    assert.equal(new Set(gateway.refreshes().map(({ form }) => form.refresh_token)).size, 3);
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
    assert.equal(gateway.refreshes().length, 1, 'a refused token is not sent again');
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
    const { access_token: stored } = await assertTokenJson(await browser.post('/auth/refresh'));
    assert.equal((await assertTokenJson(await browser.post('/auth/refresh', { force: true }))).access_token, stored);
    assert.equal(gateway.refreshes().length, 1);
  });

  test('is asked for again after ten minutes', async () => {
    const browser = await disable();
    await gateway.passTime(HOUR + 1);
    await assertErrorJson(await browser.script('/user-info'), 401, 'refresh_rejected');
    await gateway.passTime(590);
    await assertErrorJson(await browser.script('/user-info'), 401, 'refresh_rejected');
    assert.equal(gateway.refreshes().length, 1);
    await gateway.passTime(20);
    await assertErrorJson(await browser.script('/user-info'), 401, 'refresh_rejected');
    assert.equal(gateway.refreshes().length, 2);
  });

  /** The cookie begins with the tag of its user, which the key has in full. */
  async function recordsOf(browser) {
    const records = (await gateway.dumpKv()).filter(({ name }) => name.startsWith('session/'));
    return records.filter(({ name }) => name.split('/')[1].startsWith(browser.session.slice(0, 21)));
  }
});

describe('trouble that passes keeps the session:', () => {
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
    assert.equal(gateway.refreshes().length, 1);
    await gateway.passTime(RETRY_SECS);
    await assertErrorJson(await browser.script('/user-info'), 503, 'idp_unavailable');
    assert.equal(gateway.refreshes().length, 2);
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

test('a token of three real seconds is renewed when they have passed', async () => {
  real.cognito.set({ accessTtl: 3 });
  const browser = await real.signedIn();
  await sleep(3200);
  assert.equal((await browser.script('/user-info')).status, 200);
  assert.equal(real.refreshes().length, 1);
});
