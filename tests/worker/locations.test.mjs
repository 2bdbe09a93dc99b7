// Renewal at two locations at once, over a KV that lags: who asks Cognito, who is served, and what is left in the store. What a
// single gateway does is in renewal.test.mjs, what it makes of bad answers in hostile-refresh.test.mjs.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertTokenJson } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { startPlaces } from '../support/places.mjs';

const HOUR = 3600;
/** KV's lag as it is stated, and how long an isolate remembers what it read. */
const LAG_SECS = 60;
const MEMORY_SECS = 30;
/** After trouble a session is tried again at most every ten seconds, jittered. */
const RETRY_SECS = 15;

const ROTATIONS = {
  'with rotation off': {},
  'with rotation and no grace': { rotation: true, rotationGrace: 0 },
  'with rotation and ten seconds of grace': { rotation: true, rotationGrace: 10 },
};

/** Whether a refresh token is dead as soon as it has been used. */
const isLossy = ({ rotation, rotationGrace }) => rotation === true && rotationGrace === 0;

const places = await startPlaces();
const { here, there, cognito } = places;
after(() => places.close());
beforeEach(async () => {
  await places.allWell();
  await here.emptyKv();
});

const signedInAtBoth = () => places.signedInAtBoth();

/** Requests of every kind that a page and its scripts make, all at once. */
function ask(browser, count) {
  const kinds = [() => browser.navigate('/app/'), () => browser.script('/user-info'), () => browser.post('/auth/refresh')];
  return Promise.all(Array.from({ length: count }, (_, index) => kinds[index % kinds.length]()));
}

const force = (browser) => browser.post('/auth/refresh', { force: true });
const statusesOf = (answers) => [...new Set(answers.map(({ status }) => status))].sort();
const onlyRecord = async () => {
  const records = (await here.dumpKv()).filter(({ name }) => name.startsWith('session/'));
  assert.equal(records.length, 1, 'records');
  return records[0].value;
};
const refreshTokensSent = () => here.refreshes().map(({ form }) => form.refresh_token);

for (const [setting, rotation] of Object.entries(ROTATIONS)) {
  const lossless = !isLossy(rotation);

  describe(`a hundred requests at once on an expired token, ${setting},`, () => {
    test('at one gateway: one refresh reaches Cognito, and all are served', async () => {
      cognito.set(rotation);
      const browser = await here.signedIn();
      await places.passTime(HOUR + 1);
      cognito.set({ latencyMs: 100 });
      const answers = await ask(browser, 100);
      assert.deepEqual(statusesOf(answers), [200]);
      const tokens = await Promise.all(answers.filter((_, index) => index % 3 === 2).map(assertTokenJson));
      assert.equal(new Set(tokens.map(({ access_token: token }) => token)).size, 1);
      assert.equal(here.refreshes().length, 1);
    });

    for (const lagSecs of [0, LAG_SECS]) {
      test(`half of them at each of two gateways, KV ${lagSecs} s behind: nobody's session is lost`, async () => {
        cognito.set(rotation);
        await places.setWorld({ kvLagSecs: lagSecs });
        const [browser, other] = await signedInAtBoth();
        await places.passTime(HOUR + 1);
        // The worst moment: both locations have asked Cognito before either has written.
        await places.setWorld({ hold: { step: 'put session' } });
        const asking = [browser, other].map((each) => ask(each, 50));
        await eventually(() => here.refreshes().length === 2, 'a refresh at each location');
        const steps = [await here.kvSteps(), await there.kvSteps()];
        await places.setWorld({ hold: undefined });
        const answers = await Promise.all(asking);
        assert.equal(here.refreshes().length, 2, 'one a location');

        const isLoser = (each) => statusesOf(each).some((status) => status !== 200);
        const losers = answers.filter(isLoser);
        if (lossless) assert.equal(losers.length, 0);
        else if (lagSecs > 0) assert.equal(losers.length, 1, 'it cannot see the tokens of the winner');
        else assert.ok(losers.length <= 1, 'the requests of one location at most');
        for (const [index, response] of losers.flat().entries()) {
          if (response.status === 200) continue;
          if (index % 3 === 0) assert.match(response.headers.get('location') ?? '', /^\/auth\/login\?/);
          else await assertErrorJson(response, 401, 'refresh_rejected');
          assert.deepEqual(response.headers.getSetCookie(), []);
        }

        const [winner, loser] = isLoser(answers[0]) ? [other, browser] : [browser, other];
        if (losers.length > 0) {
          const ofLoser = [...steps[answers.findIndex(isLoser)], ...await loser.gateway.kvSteps()];
          assert.deepEqual(ofLoser.filter((step) => !step.startsWith('get')), [], 'the loser writes nothing');
        }
        const record = await onlyRecord();
        const asked = here.refreshes().length;
        assert.deepEqual(statusesOf(await ask(winner, 6)), [200], 'the winner goes on');
        await places.passTime(LAG_SECS + MEMORY_SECS + 1);
        for (const each of [winner, loser]) assert.deepEqual(statusesOf(await ask(each, 6)), [200], 'after KV\'s lag');
        const tokens = await Promise.all([winner, loser].map(async (each) => assertTokenJson(await each.post('/auth/refresh'))));
        assert.equal(tokens[0].access_token, tokens[1].access_token, 'with the same tokens');
        assert.equal(here.refreshes().length, asked, 'nobody asks again');
        assert.equal(await onlyRecord(), record);
      });
    }
  });

  describe(`with reads that are ${LAG_SECS} s behind, ${setting},`, () => {
    test('one location renews, and the other goes on with what it knows until it sees the new tokens', async () => {
      cognito.set(rotation);
      await places.setWorld({ kvLagSecs: LAG_SECS });
      const [browser, other] = await signedInAtBoth();
      const { access_token: old } = await assertTokenJson(await other.post('/auth/refresh'));
      const { access_token: renewed } = await assertTokenJson(await force(browser));
      assert.notEqual(renewed, old);
      await places.passTime(MEMORY_SECS + 1);
      assert.equal((await assertTokenJson(await other.post('/auth/refresh'))).access_token, old, 'KV is still behind');
      assert.deepEqual(statusesOf(await ask(other, 3)), [200]);
      await places.passTime(LAG_SECS);
      assert.equal((await assertTokenJson(await other.post('/auth/refresh'))).access_token, renewed);
      assert.equal(here.refreshes().length, 1);
    });

    test('nobody who comes to both all the time is ever thrown out: the margin is longer than the lag', async () => {
      cognito.set(rotation);
      await places.setWorld({ kvLagSecs: LAG_SECS });
      const [browser, other] = await signedInAtBoth();
      for (let round = 1; round <= 2; round += 1) {
        await places.passTime(HOUR - 320);
        for (let secs = 0; secs < 400; secs += 10) {
          await places.passTime(10);
          for (const each of [browser, other]) {
            assert.deepEqual(statusesOf(await ask(each, 3)), [200], `round ${round}, ${secs} s`);
          }
        }
      }
    });
  });
}

describe('a location that does not see its own writes for a while, and whose isolate is replaced after a renewal,', () => {
  for (const [setting, rotation] of Object.entries(ROTATIONS)) {
    const refused = isLossy(rotation);
    test(`${setting}, ${refused ? 'refuses until it sees them, and then goes on' : 'goes on'}`, async () => {
      cognito.set(rotation);
      await here.setWorld({ kvLagSecs: LAG_SECS, kvOwnLag: true });
      const browser = await here.signedIn();
      await places.passTime(HOUR + 1);
      assert.equal((await browser.script('/user-info')).status, 200);
      const record = await onlyRecord();
      await here.crash();
      const response = await browser.script('/user-info');
      if (refused) {
        await assertErrorJson(response, 401, 'refresh_rejected');
        assert.equal(await onlyRecord(), record, 'the record is not worsened');
      } else {
        assert.equal(response.status, 200);
      }
      await places.passTime(LAG_SECS + 1);
      assert.deepEqual(statusesOf(await ask(browser, 3)), [200]);
      await places.passTime(HOUR + 1);
      assert.deepEqual(statusesOf(await ask(browser, 3)), [200], 'with the newest refresh token');
    });
  }
});

test('a location that meets a spent refresh token reads again, and takes the tokens of the one that was faster', async () => {
  cognito.set(ROTATIONS['with rotation and no grace']);
  const [browser, other] = await signedInAtBoth();
  const { access_token: renewed } = await assertTokenJson(await force(browser));
  const record = await onlyRecord();
  assert.equal((await assertTokenJson(await force(other))).access_token, renewed);
  assert.equal(new Set(refreshTokensSent()).size, 1, 'it was refused');
  assert.equal(refreshTokensSent().length, 2);
  assert.equal(await onlyRecord(), record);
});

describe('an answer of Cognito that is lost', () => {
  async function lostHere(switches) {
    cognito.set(switches);
    const [browser, other] = await signedInAtBoth();
    await places.passTime(HOUR + 1);
    cognito.set({ tokenFault: 'drop', tokenFaultCount: 1 });
    await assertErrorJson(await browser.script('/user-info'), 503, 'idp_unavailable');
    return [browser, other];
  }

  for (const setting of ['with rotation off', 'with rotation and ten seconds of grace']) {
    test(`${setting} costs nobody anything: the other location renews at once, and this one after ten seconds`, async () => {
      const [browser, other] = await lostHere(ROTATIONS[setting]);
      assert.equal((await other.script('/user-info')).status, 200);
      await places.passTime(RETRY_SECS);
      assert.equal((await browser.script('/user-info')).status, 200);
      assert.equal(new Set(refreshTokensSent().slice(0, 2)).size, 1, 'the token whose answer was lost');
    });
  }

  test('with rotation and no grace ends the session, as a refusal by Cognito and not before it; the record stays', async () => {
    const [browser, other] = await lostHere(ROTATIONS['with rotation and no grace']);
    const record = await onlyRecord();
    assert.equal((await browser.navigate('/app/')).status, 200, 'pages are in the grace of an outage');
    await assertErrorJson(await browser.script('/user-info'), 503, 'idp_unavailable');
    await places.passTime(RETRY_SECS);
    for (const each of [browser, other]) {
      const { requestId } = await assertErrorJson(await each.script('/user-info'), 401, 'refresh_rejected');
      const line = await here.lineOf(requestId);
      assert.equal(line?.code, 'refresh_rejected');
      assert.match((await each.navigate('/app/')).headers.get('location'), /^\/auth\/login\?/);
    }
    assert.equal(here.refreshes().length, 3, 'the lost one, and one refusal a location');
    assert.equal(await onlyRecord(), record);
  });
});

describe('a write of a renewed session', () => {
  const TOO_MANY = 'KV PUT failed: 429 Too Many Requests';

  test('that KV refuses with 429 is not repeated over a newer record: that one is kept', async () => {
    cognito.set(ROTATIONS['with rotation and ten seconds of grace']);
    const [browser, other] = await signedInAtBoth();
    await here.setWorld({ hold: { step: 'put session' } });
    const late = force(browser);
    await here.held();
    await assertTokenJson(await force(other));
    await places.passTime(MEMORY_SECS + 1);
    await assertTokenJson(await force(other));
    const newer = await onlyRecord();

    await here.setWorld({ hold: undefined, kv: { 'put session': TOO_MANY }, kvTimes: 1 });
    await assertTokenJson(await late);
    assert.deepEqual(await here.kvSteps(), ['get session+ended+ended', 'get ended+ended'], 'it looks, and writes nothing');
    assert.equal(await onlyRecord(), newer);
    await places.passTime(MEMORY_SECS + 1);
    const tokens = await Promise.all([browser, other].map(async (each) => assertTokenJson(await each.post('/auth/refresh'))));
    assert.equal(tokens[0].access_token, tokens[1].access_token, 'both locations have it');
  });

  test('that KV refuses with 429 is repeated after its second, before the answer when the token was rotated', async () => {
    cognito.set(ROTATIONS['with rotation and no grace']);
    const [browser, other] = await signedInAtBoth();
    await places.passTime(HOUR + 1);
    await here.setWorld({ kv: { 'put session': TOO_MANY }, kvTimes: 1 });
    const began = Date.now();
    const { access_token: token } = await assertTokenJson(await browser.post('/auth/refresh'));
    assert.ok(Date.now() - began >= 1100, `${Date.now() - began} ms`);
    assert.equal((await assertTokenJson(await other.post('/auth/refresh'))).access_token, token);
    assert.equal(here.refreshes().length, 1);
    assert.deepEqual((await here.kvSteps()).filter((step) => step.startsWith('put')), ['put session', 'put session']);
  });

  test('that is reported as failed and was done is no other session and no other token', async () => {
    cognito.set(ROTATIONS['with rotation and no grace']);
    const [browser, other] = await signedInAtBoth();
    await places.passTime(HOUR + 1);
    await here.setWorld({ kv: { 'put session': 'KV PUT failed: 500' }, kvTimes: 1, kvDone: true });
    const { access_token: token } = await assertTokenJson(await browser.post('/auth/refresh'));
    await places.crash();
    for (const each of [browser, other]) {
      assert.equal((await assertTokenJson(await each.post('/auth/refresh'))).access_token, token);
    }
    await places.passTime(HOUR + 1);
    assert.equal((await other.script('/user-info')).status, 200, 'the refresh token that was saved is the newest');
  });

  for (const [setting, rotation] of Object.entries(ROTATIONS)) {
    const lost = isLossy(rotation);
    const outcome = lost ? 'loses the session, once Cognito has refused' : 'costs nobody anything';
    test(`that a crash prevents, ${setting}, ${outcome}`, async () => {
      cognito.set(rotation);
      const browser = await here.signedIn();
      await places.passTime(HOUR + 1);
      await here.setWorld({ hold: { step: 'put session' } });
      browser.post('/auth/refresh').catch(() => {}); // nobody will answer
      await here.held();
      await here.crash();
      await here.setWorld({ hold: undefined });
      const response = await browser.script('/user-info');
      if (lost) await assertErrorJson(response, 401, 'refresh_rejected');
      else assert.equal(response.status, 200);
      assert.equal(here.refreshes().length, 2);
    });
  }
});

test('a location whose clock is forty seconds ahead renews earlier, and neither ends the sessions of the other', async () => {
  const [browser, other] = await signedInAtBoth();
  await places.skew(there, 40);
  await places.passTime(HOUR - 39);
  assert.deepEqual(statusesOf(await ask(other, 3)), [200]);
  assert.equal(here.refreshes().length, 1);
  await places.passTime(MEMORY_SECS + 1);
  for (const each of [browser, other]) assert.deepEqual(statusesOf(await ask(each, 3)), [200]);
  assert.equal(here.refreshes().length, 1);
});
