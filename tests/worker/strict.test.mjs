// Strict mode in the real runtime: two gateways that ask one guard, a Durable Object, over a KV that stands still. What the guard
// answers is in src/guard/decision.rs, and on fakes in tests/strict.rs.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertTokenJson } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { at, startPlaces } from '../support/places.mjs';

const HOUR = 3600;
/** GUARD_SECS as it is without a setting: how long an isolate goes on with what the guard has said. */
const GUARD_SECS = 10;
/** A lease whose holder has died ends after so long; trouble is forgotten after as long, jittered. */
const LEASE_SECS = 12;
const RETRY_SECS = 15;
/** What a location without a guard goes on with at the most: KV's lag and an isolate's memory. */
const BOUND_SECS = 90;
const NO_GRACE = { rotation: true, rotationGrace: 0 };
const STANDS_STILL = { kvFrozen: true };

const [places, lax] = await Promise.all([startPlaces({ guarded: true }), startPlaces()]);
const { here, there, cognito } = places;
after(() => Promise.all([places.close(), lax.close()]));
beforeEach(async () => {
  for (const each of [places, lax]) {
    await each.allWell();
    await each.here.emptyKv();
  }
});

/** A browser that has just signed in here, and the same one there, where KV stands still once its session has been read. */
async function signedInAtBoth(where = places) {
  const [browser, other] = await where.signedInAtBoth();
  await where.there.setWorld(STANDS_STILL);
  for (const place of where.both) await place.kvSteps();
  return [browser, other];
}

const force = (browser) => browser.post('/auth/refresh', { force: true });
const guardSteps = async (place) => (await place.kvSteps()).filter((step) => step.startsWith('guard'));
const onlyRecord = async () => (await here.dumpKv()).find(({ name }) => name.startsWith('session/'))?.value;

/** How many seconds after a sign-out here the other location has last served; undefined: it never refused in the time given. */
async function lastServedSecs(where, other, limitSecs) {
  const began = Date.now();
  let last = 0;
  for (let secs = 0; secs <= limitSecs; secs += 1) {
    const asked = secs + (Date.now() - began) / 1000; // real time passes besides
    if ((await other.script('/user-info')).status === 401) return last;
    last = asked;
    await where.passTime(1);
  }
  return undefined;
}

describe('a session that was signed out here, while KV stands still there,', () => {
  test('is served on there without the guard, for as long as KV stands still', async () => {
    const [browser, other] = await signedInAtBoth(lax);
    assert.equal((await browser.post('/auth/logout')).status, 200);
    assert.equal(await lastServedSecs(lax, other, BOUND_SECS + 10), undefined);
    await lax.there.setWorld({ kvFrozen: undefined });
    assert.ok(await lastServedSecs(lax, other, BOUND_SECS) < 30, 'then an isolate\'s memory ends');
  });

  test('is refused there at once by an isolate that asks the guard', async () => {
    const [browser, other] = await signedInAtBoth();
    assert.equal((await browser.post('/auth/logout')).status, 200);
    await there.crash();
    await assertErrorJson(await other.script('/user-info'), 401, 'session_expired');
    assert.match((await other.navigate('/app/')).headers.get('location'), /^\/auth\/login\?/);
    await assertErrorJson(await force(other), 401, 'session_expired');
  });

  test('is refused there by a forced refresh, which asks, at once and from then on', async () => {
    const [browser, other] = await signedInAtBoth();
    assert.equal((await browser.post('/auth/logout')).status, 200);
    await assertErrorJson(await force(other), 401, 'session_expired');
    await assertErrorJson(await other.script('/user-info'), 401, 'session_expired');
    assert.deepEqual(here.refreshes(), [], 'and Cognito is not asked');
  });

  test(`is refused there within ${GUARD_SECS} s by one that has just asked`, async (context) => {
    const [browser, other] = await signedInAtBoth();
    assert.equal((await browser.post('/auth/logout')).status, 200);
    const secs = await lastServedSecs(places, other, 2 * BOUND_SECS);
    context.diagnostic(`strict mode: last served ${secs.toFixed(1)} s after the sign-out`);
    assert.ok(secs < GUARD_SECS, `${secs} s`);
    await places.passTime(BOUND_SECS);
    await assertErrorJson(await other.script('/user-info'), 401, 'session_expired');
  });
});

describe('renewal', () => {
  test('of a hundred requests at two locations is one refresh, with rotation and no grace, and all are served', async () => {
    cognito.set(NO_GRACE);
    const [browser, other] = await signedInAtBoth();
    await here.setWorld(STANDS_STILL);
    await places.passTime(HOUR + 1);
    cognito.set({ latencyMs: 100 });
    const kinds = [(each) => each.navigate('/app/'), (each) => each.script('/user-info'), (each) => each.post('/auth/refresh')];
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => kinds[index % 3](index < 50 ? browser : other)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    const tokens = await Promise.all(answers.filter((_, index) => index % 3 === 2).map(assertTokenJson));
    assert.equal(new Set(tokens.map(({ access_token: token }) => token)).size, 1);
    assert.equal(here.refreshes().length, 1);

    for (const each of [other, browser]) {
      await places.passTime(HOUR + 1);
      assert.equal((await each.script('/user-info')).status, 200, 'each location has the newest refresh token');
    }
  });

  test('at one location is seen at the other within GUARD_SECS, whatever KV says', async () => {
    const [browser, other] = await signedInAtBoth();
    const { access_token: renewed } = await assertTokenJson(await force(browser));
    await places.passTime(GUARD_SECS);
    assert.equal((await assertTokenJson(await other.post('/auth/refresh'))).access_token, renewed);
    assert.equal(here.refreshes().length, 1);
  });

  test('that another location is at is waited for; a leader that has died is waited for no longer than its lease', async () => {
    cognito.set(NO_GRACE);
    const [browser, other] = await signedInAtBoth();
    await places.passTime(HOUR + 1);
    await here.setWorld({ hold: { step: 'guard lease', done: true } });
    browser.script('/user-info').catch(() => {}); // nobody will answer
    await here.held();
    await here.crash();
    await here.setWorld({ hold: undefined });
    const waiting = other.script('/user-info');
    let questions = 0;
    const askedTwice = async () => {
      questions += (await guardSteps(there)).filter((step) => step === 'guard lease').length;
      return questions >= 2;
    };
    await eventually(askedTwice, 'questions for the lease');
    assert.deepEqual(here.refreshes(), [], 'it waits');
    await places.passTime(LEASE_SECS);
    assert.equal((await waiting).status, 200);
    assert.equal(here.refreshes().length, 1);
  });

  test('that is cut off after the guard has the record, and before KV, loses nothing', async () => {
    cognito.set(NO_GRACE);
    const [browser, other] = await signedInAtBoth();
    await places.passTime(HOUR + 1);
    await here.setWorld({ hold: { step: 'put session' } });
    browser.script('/user-info').catch(() => {}); // nobody will answer
    await here.held();
    const old = await onlyRecord();
    await here.crash();
    await here.setWorld({ hold: undefined });
    for (const each of [other, browser]) assert.equal((await each.script('/user-info')).status, 200);
    assert.equal(here.refreshes().length, 1);
    assert.equal(await onlyRecord(), old, 'KV still has the old one');
    await places.passTime(HOUR + 1);
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.notEqual(await onlyRecord(), old);
  });

  test('whose save the guard did not hear of is 503, and not lost: KV has it, and the guard takes it over', async () => {
    cognito.set(NO_GRACE);
    const [browser, other] = await signedInAtBoth();
    await there.setWorld({ kvFrozen: undefined });
    await places.passTime(HOUR + 1);
    await here.setWorld({ hold: { step: 'guard save' } });
    const renewing = browser.script('/user-info');
    await here.held();
    await here.setWorld({ hold: undefined, guard: 'fail' });
    await assertErrorJson(await renewing, 503, 'store_unavailable');
    await here.setWorld({ guard: undefined });
    await places.passTime(RETRY_SECS);
    await places.crash();
    for (const each of [browser, other]) assert.equal((await each.script('/user-info')).status, 200);
    assert.equal(here.refreshes().length, 1);
  });
});

describe('a sign-out', () => {
  test('tells the guard first, then marks, then deletes', async () => {
    const [browser] = await signedInAtBoth();
    await browser.post('/auth/logout');
    assert.deepEqual((await here.kvSteps()).slice(-3), ['guard end', 'put ended', 'delete session']);
  });

  for (const [step, what] of [['guard save', 'before the guard has its record'], ['put session', 'before KV has it']]) {
    test(`while a refresh is under way there, ${what}, wins`, async () => {
      const [browser, other] = await signedInAtBoth();
      const stolen = other.copy();
      await there.setWorld({ hold: { step } });
      const refreshing = force(other);
      await there.held();
      assert.equal((await browser.post('/auth/logout')).status, 200);
      await there.setWorld({ hold: undefined });
      const { status } = await refreshing;
      assert.equal(status, step === 'guard save' ? 401 : 200, 'KV there does not show the mark');
      await places.passTime(GUARD_SECS);
      for (const each of [stolen, at(here, stolen)]) {
        await assertErrorJson(await each.script('/user-info'), 401, 'session_expired');
      }
    });
  }

  test('that is cut off after the guard has heard of it, and before its mark, has ended the session everywhere', async () => {
    const [browser, other] = await signedInAtBoth();
    const stolen = [browser.copy(), other.copy()];
    await here.setWorld({ hold: { step: 'put ended' } });
    browser.post('/auth/logout').catch(() => {}); // nobody will answer
    await here.held();
    await here.crash();
    await here.setWorld({ hold: undefined });
    assert.notEqual(await onlyRecord(), undefined, 'KV knows nothing of it');
    await places.passTime(GUARD_SECS);
    for (const each of stolen) {
      await assertErrorJson(await each.script('/user-info'), 401, 'session_expired');
      await assertErrorJson(await force(each), 401, 'session_expired');
    }
  });
});

test('a new session is open at once where KV does not show it yet, and a sign-out there ends it here', async () => {
  await there.setWorld(STANDS_STILL);
  const browser = await here.signedIn();
  const refreshToken = here.givenTokens().at(-1).refresh_token;
  const other = at(there, browser);
  assert.equal((await other.navigate('/app/')).status, 200);
  assert.equal((await other.post('/auth/logout')).status, 200);
  await places.passTime(GUARD_SECS);
  await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
  await eventually(() => here.asked('/oauth2/revoke').some(({ form }) => form.token === refreshToken), 'its revocation');
});

test('the guard is asked once in GUARD_SECS by an isolate about a session, however many requests there are', async () => {
  const [, other] = await signedInAtBoth();
  const steps = [];
  for (let secs = 0; secs < 3 * GUARD_SECS; secs += 1) {
    const answers = await Promise.all(Array.from({ length: 5 }, () => other.script('/user-info')));
    assert.ok(answers.every(({ status }) => status === 200));
    steps.push(...await guardSteps(there));
    await places.passTime(1);
  }
  assert.deepEqual([...new Set(steps)], ['guard look']);
  assert.ok(steps.length >= 2 && steps.length <= 4, `${steps.length} questions in ${3 * GUARD_SECS} s`);
});

test('without the binding nobody asks a guard, and a renewal and a sign-out are as ever', async () => {
  const browser = await lax.here.signedIn();
  await assertTokenJson(await force(browser));
  await browser.post('/auth/logout');
  const steps = await lax.here.kvSteps();
  const renewal = ['put session', 'get ended+ended'];
  assert.deepEqual(steps, ['put session', ...renewal, 'get session+ended+ended', 'put ended', 'delete session']);
});
