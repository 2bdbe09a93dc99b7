// Sign-ins that end late, twice, at two locations, or not at all: each comes to somewhere sensible. Repeated and prefetched
// callbacks of one gateway are in callback.test.mjs.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { NAVIGATION, OWN_SCRIPT } from '../support/gateway.mjs';
import { at, startPlaces } from '../support/places.mjs';

const HOUR = 3600;

const places = await startPlaces();
const { here, there, cognito } = places;
after(() => places.close());
beforeEach(async () => {
  await places.allWell();
  await here.emptyKv();
});

const exchanges = () => here.asked('/oauth2/token').filter(({ form }) => form.grant_type === 'authorization_code').length;

describe('a callback that comes late', () => {
  /** A login that was begun, and whose user took his time at Cognito. */
  async function late(browser, secs) {
    const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/?late'));
    await places.passTime(secs);
    return callbackUrl;
  }

  test('of a login of an hour ago begins another one to the same page, and a second time is told so, and no code is sent', async () => {
    const browser = here.browser();
    const first = await browser.arrive(await late(browser, HOUR));
    assert.equal(first.headers.get('location'), '/auth/login?return_to=%2Fapp%2F%3Flate&retry=1');
    assert.deepEqual(browser.flows, [], 'its cookie is cleared');
    const callbackUrl = await late(browser, HOUR);
    const page = await assertErrorPage(await browser.hasRetried().arrive(callbackUrl), 400, 'login_expired');
    assert.match(page, /href="\/auth\/login\?return_to=%2Fapp%2F%3Flate"/);
    assert.match(page, /took more than an hour/);
    assert.equal(exchanges(), 0);
    assert.deepEqual(browser.flows, [], 'its cookie is cleared');
    assert.equal((await browser.signIn('/app/')).status, 303, 'and the next login works');
  });

  test('a second before that ends well', async () => {
    const browser = here.browser();
    assert.equal((await browser.arrive(await late(browser, HOUR - 2))).headers.get('location'), '/app/?late');
  });

  test('to a browser that has signed in meanwhile in another tab leads on with that session', async () => {
    const browser = here.browser();
    const callbackUrl = await late(browser, HOUR);
    await browser.signIn('/');
    const { session } = browser;
    const response = await browser.arrive(callbackUrl);
    assert.equal(response.status, 303);
    assert.equal(response.headers.get('location'), '/app/?late');
    assert.equal(browser.session, session);
    assert.equal(exchanges(), 1);
    assert.equal((await browser.navigate('/app/')).status, 200);
  });
});

describe('a login that is given up', () => {
  test('is in nobody\'s way: the sixth one and the four before it can all be ended, in any order', async () => {
    const browser = here.browser();
    const begun = [];
    for (let tab = 1; tab <= 6; tab += 1) begun.push(await browser.beginLogin(`/app/?tab=${tab}`));
    assert.equal(browser.flows.length, 5);
    for (const index of [4, 1, 5, 3, 2]) {
      const response = await browser.arrive(await browser.authenticate(begun[index]));
      assert.equal(response.headers.get('location'), `/app/?tab=${index + 1}`);
    }
    await eventually(async () => (await here.sessionKeys()).length === 1, 'each session replaced the one before');

    const first = await browser.arrive(await browser.authenticate(begun[0]));
    assert.equal(first.status, 303, 'and the one that had to make room leads on with the session');
    assert.equal(first.headers.get('location'), '/app/?tab=1');
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('leaves the session of the browser alone, cancelled or not', async () => {
    const browser = await here.signedIn();
    const { session } = browser;
    await browser.beginLogin('/app/');
    const cancelled = await here.browser().authenticate(await browser.beginLogin('/app/'), { cancel: true });
    await assertErrorPage(await browser.arrive(cancelled), 403, 'login_denied');
    assert.equal(browser.session, session);
    assert.equal((await browser.script('/user-info')).status, 200);
  });
});

describe('a login whose record KV', () => {
  for (const [how, world] of Object.entries({
    'refuses': { kv: { 'put session': 'KV PUT failed: 500 Internal Server Error' } },
    'has written and says that it has not': { kv: { 'put session': 'KV PUT failed: 500 Internal Server Error' }, kvDone: true },
  })) {
    test(`${how} is told so and leaves nothing half-made: no cookie, no record, no refresh token that works`, async () => {
      await here.setWorld(world);
      const browser = here.browser();
      await assertErrorPage(await browser.signIn('/app/'), 503, 'store_unavailable');
      assert.equal(browser.session, undefined);
      const refreshToken = here.givenTokens().at(-1).refresh_token;
      await eventually(() => here.asked('/oauth2/revoke').some(({ form }) => form.token === refreshToken), 'its revocation');
      await eventually(async () => (await here.sessionKeys()).length === 0, 'an empty store');
      await here.setWorld({ kv: undefined, kvDone: undefined });
      assert.equal((await browser.signIn('/app/')).headers.get('location'), '/app/', 'the next login works');
    });
  }
});

describe('the back button', () => {
  test('to Cognito after a login, and a second sign-in there: its code is not spent, and the session goes on', async () => {
    const browser = here.browser();
    const authorizeUrl = await browser.beginLogin('/app/');
    await browser.arrive(await browser.authenticate(authorizeUrl));
    const { session } = browser;
    const response = await browser.arrive(await browser.authenticate(authorizeUrl));
    assert.equal(response.status, 303);
    assert.equal(response.headers.get('location'), '/app/');
    assert.equal(browser.session, session);
    assert.equal(exchanges(), 1);
  });

  test('after a sign-out shows the login, and a callback from then is told that it has been used', async () => {
    const browser = here.browser().hasRetried();
    const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/'));
    await browser.arrive(callbackUrl);
    await browser.post('/auth/logout');
    assert.match((await browser.navigate('/app/')).headers.get('location'), /^\/auth\/login\?/);
    await assertErrorPage(await browser.arrive(callbackUrl), 400, 'login_expired');
    assert.equal(exchanges(), 1);
  });
});

describe('one callback twice at once', () => {
  for (const [where, second] of [['at one location', here], ['at two', there]]) {
    test(`${where} signs in; nobody is shown an error, and it leads on when it is loaded again`, async () => {
      const browser = here.browser();
      const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/'));
      cognito.set({ latencyMs: 100 });
      const tabs = [browser, at(second, browser)];
      const answers = await Promise.all(tabs.map((tab) => tab.arrive(callbackUrl)));
      cognito.set({ latencyMs: 0 });
      const won = answers.findIndex(({ status }) => status === 303);
      assert.notEqual(won, -1, 'one is signed in');
      const other = answers[1 - won];
      if (second === here) {
        assert.deepEqual([other.status, other.headers.get('location')], [303, '/app/']);
        assert.equal(tabs[0].session, tabs[1].session);
        assert.equal(exchanges(), 1);
      } else {
        // Cognito takes a code once.
        assert.deepEqual([other.status, other.headers.get('location')], [302, '/auth/login?return_to=%2Fapp%2F&retry=1']);
      }
      assert.equal((await here.sessionKeys()).length, 1);

      const again = at(second, tabs[won]); // one browser: the cookies of the answer that came
      const reloaded = await again.arrive(callbackUrl);
      assert.deepEqual([reloaded.status, reloaded.headers.get('location')], [303, '/app/']);
      assert.equal(again.session, tabs[won].session);
      assert.equal((await again.navigate('/app/')).status, 200);
    });
  }
});

test('signing in again and again where KV does not show the session stops after three rounds, with the cause', async () => {
  const browser = here.browser();
  await there.setWorld({ kvFrozen: true });
  /** Pages are asked for there, where KV stands still; the login comes back to the other location. */
  const page = () => at(there, browser).navigate('/app/?view=1');
  await browser.signIn('/app/');
  for (let round = 1; round <= 3; round += 1) {
    assert.equal((await page()).status, 302, `round ${round}`);
    await browser.signIn('/app/');
    await places.passTime(5);
  }
  const stopped = await page();
  const text = await assertErrorPage(stopped, 401, 'session_expired');
  assert.match(text, /href="\/auth\/login\?return_to=%2Fapp%2F%3Fview%3D1"/);
  assert.match(text, /session store may need a minute to catch up/);
  assert.ok((await there.logs()).some(({ reason }) => reason === 'login_loop'), 'the cause in the log');
  await there.setWorld({ kvFrozen: undefined });
  assert.equal((await page()).status, 200, 'and KV has caught up');
});

describe('a session that has ended', () => {
  async function signOutElsewhere(browser) {
    await at(there, browser).post('/auth/logout');
    await places.passTime(31);
  }

  async function refuse() {
    await places.passTime(HOUR + 1);
    cognito.set({ tokenError: 'invalid_grant' });
  }

  // In both cases the browser still has its cookie.
  for (const [how, end, code] of [
    ['signed out elsewhere', signOutElsewhere, 'session_expired'],
    ['refused by Cognito', refuse, 'refresh_rejected'],
  ]) {
    test(`(${how}) is 401 to a form and to a script that send something, and never becomes a GET or a login`, async () => {
      const browser = await here.signedIn();
      await end(browser);
      const sent = await browser.postForm('/app/');
      assert.equal(sent.headers.get('location'), null);
      await assertErrorPage(sent, 401, code);
      for (const path of ['/app/', '/auth/refresh']) {
        const response = await browser.script(path, { method: 'POST' });
        assert.equal(response.headers.get('location'), null);
        assert.deepEqual(response.headers.getSetCookie(), []);
        await assertErrorJson(response, 401, code);
      }
      assert.equal((await browser.navigate('/app/')).status, 302, 'a page load may go to the login');
    });
  }

  test('begins no login for a HEAD, a prefetch or a frame', async () => {
    const browser = await here.signedIn();
    const { flows } = browser;
    await signOutElsewhere(browser);
    const head = await browser.send('/app/', { method: 'HEAD', headers: NAVIGATION });
    const ahead = await browser.navigate('/app/', { 'sec-purpose': 'prefetch' });
    const script = await browser.send('/app/', { method: 'HEAD', headers: OWN_SCRIPT });
    for (const response of [head, ahead, script]) assert.deepEqual(response.headers.getSetCookie(), []);
    assert.deepEqual([ahead.status, script.status, head.status], [401, 401, 302]);
    assert.deepEqual(browser.flows, flows);
  });
});
