// Signing out at one location while another one reads, renews or lags, and a sign-out that is cut off between two of its steps:
// nothing brings an ended session back, and within the stated bound it is refused everywhere.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { at, startPlaces } from '../support/places.mjs';

/** KV's lag as it is stated, how long an isolate remembers what it read, and the bound that the two make. */
const LAG_SECS = 60;
const MEMORY_SECS = 30;
const BOUND_SECS = LAG_SECS + MEMORY_SECS;

const places = await startPlaces();
const { here, there, cognito } = places;
after(() => places.close());
beforeEach(async () => {
  await places.allWell();
  await here.emptyKv();
});

const signedInAtBoth = () => places.signedInAtBoth();

/** A browser's cookies as a thief has them: a sign-out does not clear his. */
const kept = (browser) => browser.copy();
const force = (browser) => browser.post('/auth/refresh', { force: true });
const statusOf = async (browser, path = '/user-info') => (await browser.script(path)).status;

/** Refused by isolates that remember, after the bound, and by new ones, in whatever way it is asked for. */
async function assertEndedEverywhere(browsers) {
  await places.passTime(BOUND_SECS + 1);
  for (const round of ['remembered', 'new isolates']) {
    for (const browser of browsers) {
      await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
      await assertErrorJson(await force(browser), 401, 'session_expired');
      assert.match((await browser.navigate('/app/')).headers.get('location') ?? '', /^\/auth\/login\?/, round);
    }
    await places.crash();
  }
}

test('a sign-out reads once, marks, and only then deletes', async () => {
  const [browser] = await signedInAtBoth();
  await here.kvSteps();
  assert.equal((await browser.post('/auth/logout')).status, 200);
  assert.deepEqual(await here.kvSteps(), ['get session+ended+ended', 'put ended', 'delete session']);
});

test('a sign-out whose mark KV refuses once writes it again, and ends the session everywhere', async () => {
  const [browser, other] = await signedInAtBoth();
  const stolen = [kept(browser), kept(other)];
  await here.setWorld({ kv: { 'put ended': 'KV PUT failed: 429 Too Many Requests' }, kvTimes: 1 });
  assert.equal((await browser.post('/auth/logout')).status, 200);
  assert.deepEqual(await here.kvSteps(), ['get session+ended+ended', 'put ended', 'put ended', 'delete session']);
  await assertEndedEverywhere(stolen);
});

/** Where a refresh there can be when a sign-out comes: `done` is after the operation. */
const REFRESH_AT = {
  'before its write': { step: 'put session' },
  'after its write': { step: 'put session', done: true },
  'after it has looked back': { step: 'get ended+ended', done: true },
};
const LOGOUT_AT = {
  'before its mark': { step: 'put ended' },
  'after its mark': { step: 'put ended', done: true },
  'after its deletion': { step: 'delete session', done: true },
};

describe('a sign-out here while a refresh is under way there brings nothing back:', () => {
  for (const lagSecs of [0, LAG_SECS]) {
    for (const [refreshAt, refreshHold] of Object.entries(REFRESH_AT)) {
      test(`the refresh ${refreshAt}, KV ${lagSecs} s behind, the sign-out at any of its steps`, async () => {
        for (const [logoutAt, logoutHold] of Object.entries(LOGOUT_AT)) {
          for (const first of ['the refresh', 'the sign-out']) {
            await places.allWell();
            await here.emptyKv();
            await places.setWorld({ kvLagSecs: lagSecs });
            const [browser, other] = await signedInAtBoth();
            const stolen = [kept(browser), kept(other)];
            await there.setWorld({ hold: refreshHold });
            const refreshing = force(other);
            await there.held();
            await here.setWorld({ hold: logoutHold });
            const leaving = browser.post('/auth/logout');
            await here.held();

            const ends = [[there, refreshing], [here, leaving]];
            for (const [place, answer] of first === 'the refresh' ? ends : ends.reverse()) {
              await place.setWorld({ hold: undefined });
              await answer;
            }
            const what = `${first} ends first, the sign-out ${logoutAt}`;
            assert.equal((await leaving).status, 200, what);
            assert.ok([200, 401].includes((await refreshing).status), what);
            if (lagSecs === 0) assert.deepEqual(await here.sessionKeys(), [], what);
            await assertEndedEverywhere(stolen);
          }
        }
      });
    }

    test(`the refresh at Cognito, KV ${lagSecs} s behind`, async () => {
      await places.setWorld({ kvLagSecs: lagSecs });
      const [browser, other] = await signedInAtBoth();
      const stolen = [kept(browser), kept(other)];
      cognito.set({ tokenFault: 'slow', slowMs: 2500 });
      const refreshing = force(other);
      await eventually(() => here.refreshes().length === 1, 'a refresh under way');
      assert.equal((await browser.post('/auth/logout')).status, 200);
      cognito.set({ tokenFault: null });
      if (lagSecs === 0) {
        await assertErrorJson(await refreshing, 401, 'session_expired');
        assert.deepEqual(await here.sessionKeys(), []);
      } else {
        assert.equal((await refreshing).status, 200, 'it cannot see the mark yet');
      }
      await assertEndedEverywhere(stolen);
    });
  }

  test('a refresh whose first write KV refused: it is not written again over the mark', async () => {
    const [browser, other] = await signedInAtBoth();
    const stolen = [kept(browser), kept(other)];
    await there.setWorld({ hold: { step: 'put session' } });
    const refreshing = force(other);
    await there.held();
    await browser.post('/auth/logout');
    await there.setWorld({ hold: undefined, kv: { 'put session': 'KV PUT failed: 429 Too Many Requests' }, kvTimes: 1 });
    await assertErrorJson(await refreshing, 401, 'session_expired');
    await assertEndedEverywhere(stolen);
    assert.deepEqual(await here.sessionKeys(), []);
  });
});

describe('a sign-out that is cut off by a crash', () => {
  async function cutOff(hold, lagSecs) {
    await places.setWorld({ kvLagSecs: lagSecs });
    const [browser, other] = await signedInAtBoth();
    const stolen = [kept(browser), kept(other)];
    await here.setWorld({ hold: hold });
    browser.post('/auth/logout').catch(() => {}); // nobody will answer
    await here.held();
    await here.crash();
    await here.setWorld({ hold: undefined });
    return stolen;
  }

  /** Comes and renews all the time, at both, until well beyond the bound: whoever was refused once stays so. */
  async function assertNeverResurrected(browsers) {
    const refused = new Set();
    for (let secs = 0; secs <= BOUND_SECS + 60; secs += 10) {
      for (const browser of browsers) {
        for (const response of [await browser.script('/user-info'), await force(browser)]) {
          if (response.status === 401) refused.add(browser);
          else assert.equal(refused.has(browser), false, `served again after ${secs} s`);
        }
      }
      await places.passTime(10);
    }
    assert.equal(refused.size, browsers.length, 'refused at both');
  }

  for (const lagSecs of [0, LAG_SECS]) {
    test(`before its mark leaves a session that lives, KV ${lagSecs} s behind; the next sign-out ends it`, async () => {
      const stolen = await cutOff({ step: 'put ended' }, lagSecs);
      for (const browser of stolen) assert.equal(await statusOf(browser), 200);
      await places.passTime(BOUND_SECS + 1);
      for (const browser of stolen) assert.equal((await force(browser)).status, 200);
      assert.equal((await stolen[0].copy().post('/auth/logout')).status, 200);
      await assertEndedEverywhere(stolen);
    });

    for (const point of ['after its mark', 'after its deletion']) {
      test(`${point} leaves one that is refused everywhere, KV ${lagSecs} s behind`, async () => {
        const stolen = await cutOff(LOGOUT_AT[point], lagSecs);
        assert.equal((await here.dumpKv()).filter(({ name }) => name.startsWith('ended/')).length, 1, 'the mark');
        await assertErrorJson(await stolen[0].script('/user-info'), 401, 'session_expired');
        await assertNeverResurrected(stolen);
        await assertEndedEverywhere(stolen);
      });
    }
  }

  test('while it revokes the refresh token leaves a session that is refused everywhere', async () => {
    cognito.set({ revokeFault: 'slow', slowMs: 30_000 });
    const [browser, other] = await signedInAtBoth();
    const stolen = [kept(browser), kept(other)];
    assert.equal((await browser.post('/auth/logout')).status, 200);
    await here.crash();
    await assertNeverResurrected(stolen);
    await assertEndedEverywhere(stolen);
  });

  test('does not depend on the look back: a refresh elsewhere that is cut off before it brings nothing back', async () => {
    const [browser, other] = await signedInAtBoth();
    const stolen = [kept(browser), kept(other)];
    await there.setWorld({ hold: { step: 'put session' } });
    force(other).catch(() => {}); // nobody will answer
    await there.held();
    assert.equal((await browser.post('/auth/logout')).status, 200);
    await there.setWorld({ hold: { step: 'get ended+ended' } });
    await there.held();
    await there.crash();
    await there.setWorld({ hold: undefined });
    assert.equal((await here.sessionKeys()).length, 1, 'the record is back');
    for (const each of stolen) await assertErrorJson(await each.script('/user-info'), 401, 'session_expired');
    await assertEndedEverywhere(stolen);
  });
});

test('a sign-out whose deletion hangs ends the session all the same; if the mark does, it is 503 and ends it here', async () => {
  const [[one], [, two]] = [await signedInAtBoth(), await signedInAtBoth()];
  const stolen = [kept(one), kept(two)];
  await here.setWorld({ kvHangs: ['delete session'] });
  await there.setWorld({ kvHangs: ['put ended'] });
  const answers = await Promise.all([one, two].map((browser) => browser.post('/auth/logout')));
  assert.deepEqual(answers.map(({ status }) => status), [200, 503]);
  for (const browser of [one, two]) assert.equal(browser.session, undefined, 'the cookie is cleared');
  for (const browser of stolen) await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
  await assertEndedEverywhere([stolen[0], at(there, stolen[0])]);
});

describe('a session that was created within KV\'s lag', () => {
  test('ends by a sign-out where its record is not seen yet, also where it was created', async () => {
    await there.setWorld({ kvFrozen: true });
    const browser = await here.signedIn();
    const stolen = [kept(browser), at(there, browser)];
    await assertErrorJson(await stolen[1].script('/user-info'), 401, 'session_expired');
    const response = await at(there, browser).post('/auth/logout');
    assert.equal(response.status, 200);
    assert.equal((await response.json()).success, true);
    await there.setWorld({ kvFrozen: undefined });
    await places.passTime(MEMORY_SECS + 1);
    await assertErrorJson(await stolen[0].script('/user-info'), 401, 'session_expired');
    await assertEndedEverywhere(stolen);
    assert.deepEqual(await here.sessionKeys(), []);
  });

  test('and renewed where it was created ends as well', async () => {
    await there.setWorld({ kvFrozen: true });
    const browser = await here.signedIn();
    const stolen = [kept(browser), at(there, browser)];
    await here.setWorld({ hold: { step: 'get ended+ended', done: true } });
    const refreshing = force(browser);
    await here.held();
    assert.equal((await at(there, browser).post('/auth/logout')).status, 200);
    await here.setWorld({ hold: undefined });
    assert.equal((await refreshing).status, 200);
    await there.setWorld({ kvFrozen: undefined });
    await assertEndedEverywhere(stolen);
  });
});

describe('a sign-out everywhere', () => {
  test('ends at both locations what was created up to its time, within the bound, and nothing later', async () => {
    await places.setWorld({ kvLagSecs: LAG_SECS });
    const [browser, other] = await signedInAtBoth();
    const older = await there.signedIn();
    const somebody = await there.signedIn({ email: 'bob@example.com' });
    const tag = Buffer.from(browser.session, 'base64url').subarray(0, 16).toString('base64url');
    await (await here.kv()).put(`ended/${tag}`, String(here.now()));
    await places.passTime(1);
    const later = await here.signedIn();
    await assertEndedEverywhere([browser, other, older, at(here, older)]);
    for (const each of [later, at(there, later), somebody, at(here, somebody)]) assert.equal(await statusOf(each), 200);
  });
});
