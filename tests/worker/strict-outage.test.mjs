// Strict mode in the real runtime, with a guard that cannot be reached or says nothing: 503, never KV alone, and nothing is lost.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage, assertTokenJson, setCookies } from '../support/answers.mjs';
import { at, startPlaces } from '../support/places.mjs';

const HOUR = 3600;
/** GUARD_SECS as it is without a setting: how long an isolate goes on with what the guard has said. */
const GUARD_SECS = 10;
/** Trouble is forgotten after ten seconds, jittered. */
const RETRY_SECS = 15;

const places = await startPlaces({ guarded: true });
const { here, there, cognito } = places;
after(() => places.close());
beforeEach(async () => {
  await places.allWell();
  await here.emptyKv();
});

const force = (browser) => browser.post('/auth/refresh', { force: true });

describe('a guard that cannot be reached', () => {
  /** A session that is known here, when the guard's last word has run out. */
  async function unguarded(trouble = 'fail') {
    const browser = await here.signedIn();
    await places.passTime(GUARD_SECS + 1);
    await here.setWorld({ guard: trouble });
    return browser;
  }
  const backAgain = async () => {
    await here.setWorld({ guard: undefined });
    await places.passTime(RETRY_SECS);
  };

  test('is 503 store_unavailable on pages and for scripts, never KV alone; what needs no session is open', async () => {
    const browser = await unguarded();
    for (const path of ['/app/', '/admin/']) await assertErrorPage(await browser.navigate(path), 503, 'store_unavailable');
    for (const path of ['/user-info', '/auth/status', '/app/']) {
      const response = await browser.script(path);
      assert.deepEqual(response.headers.getSetCookie(), []);
      await assertErrorJson(response, 503, 'store_unavailable');
    }
    assert.equal((await browser.navigate('/')).status, 200);
    assert.equal((await here.browser().navigate('/app/')).status, 302);
    await backAgain();
    assert.equal((await browser.navigate('/app/')).status, 200);
  });

  test('is 503 at /auth/refresh, before and after the token has run out, and Cognito is not asked', async () => {
    const browser = await unguarded();
    await assertErrorJson(await browser.post('/auth/refresh'), 503, 'store_unavailable');
    await assertErrorJson(await force(browser), 503, 'store_unavailable');
    await places.passTime(HOUR);
    await assertErrorJson(await browser.post('/auth/refresh'), 503, 'store_unavailable');
    await assertErrorPage(await browser.navigate('/app/'), 503, 'store_unavailable');
    assert.deepEqual(here.refreshes(), []);
    await backAgain();
    await assertTokenJson(await browser.post('/auth/refresh'));
  });

  test('fails a login with 503 and leaves nothing half-made', async () => {
    await here.setWorld({ guard: 'fail' });
    const browser = here.browser();
    await assertErrorPage(await browser.signIn('/app/'), 503, 'store_unavailable');
    assert.equal(browser.session, undefined);
    assert.deepEqual(await here.dumpKv(), []);
    await backAgain();
    assert.equal((await browser.signIn('/app/')).status, 303);
    assert.equal((await browser.navigate('/app/')).status, 200);
  });

  test('makes a sign-out 503 with the way to Cognito, clears the cookie, and the mark in KV ends the session', async () => {
    const browser = await unguarded();
    const stolen = browser.copy();
    const response = await browser.post('/auth/logout');
    assert.equal(setCookies(response).get('edgegate-session').value, '');
    const { logoutUrl } = await assertErrorJson(response, 503, 'store_unavailable', { members: ['logoutUrl'] });
    assert.ok(logoutUrl.startsWith(`${cognito.origin}/logout?`));
    await backAgain();
    await assertErrorJson(await stolen.script('/user-info'), 401, 'session_expired');
    await there.crash();
    await assertErrorJson(await at(there, stolen).script('/user-info'), 401, 'session_expired');
  });

  test('and hangs is waited for once, and for the next two seconds by nobody', async () => {
    const browser = await unguarded('hang');
    const timed = async () => {
      const since = Date.now();
      await assertErrorJson(await browser.script('/user-info'), 503, 'store_unavailable');
      return Date.now() - since;
    };
    const [first, second] = [await timed(), await timed()];
    assert.ok(first >= 3500 && first < 8000, `${first} ms`);
    assert.ok(second < 1500, `${second} ms`);
  });
});
