// Signing keys that change, and forged key ids that want the key set fetched again and again.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { FAULTY, startGateway } from '../support/gateway.mjs';

const HOUR = 3600;
/** Longer than a key set is good for. */
const TWO_DAYS = 48 * HOUR;
/** So long a key set is current, and a key that was taken out of it still verifies. */
const CURRENT_SECS = 300;
/** In so long there is at most one fetch for ids that the set does not have. */
const COOLDOWN_SECS = 30;

const gateway = await startGateway({ main: FAULTY });
const { cognito } = gateway;
after(() => gateway.close());

beforeEach(async () => {
  await gateway.allWell();
  await gateway.passTime(TWO_DAYS); // no keys are remembered
  cognito.requests.length = 0;
});

const fetches = () => gateway.asked('/jwks.json').length;
const askWith = (token) => gateway.fetch('/user-info', { headers: { authorization: `Bearer ${token}` } });
/** `mint` is free of the switches, the clock's included. */
const mint = (options) => cognito.mint('access', { iat: gateway.now(), exp: gateway.now() + HOUR }, options);

describe('keys are rotated', () => {
  test('before a login: it succeeds with one more fetch', async () => {
    await gateway.signedIn();
    assert.equal(fetches(), 1);
    cognito.rotateKeys();
    await gateway.signedIn();
    assert.equal(fetches(), 2);
  });

  test('between the two ends of a login: it succeeds', async () => {
    await gateway.signedIn();
    const browser = gateway.browser();
    const callbackUrl = await browser.authenticate(await browser.beginLogin());
    cognito.rotateKeys({ keepOld: false });
    assert.equal((await browser.arrive(callbackUrl)).status, 303);
  });

  test('during a session: it goes on, and its renewal is verified with the new keys', async () => {
    const browser = await gateway.signedIn();
    cognito.rotateKeys({ keepOld: false });
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.equal(fetches(), 1, 'a session is not verified anew for each request');
    await gateway.passTime(HOUR + 1);
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.equal(gateway.refreshes().length, 1);
    assert.equal(fetches(), 2);
  });

  test('during a session by somebody who is not Cognito: its renewal is refused, and the session stays', async () => {
    const browser = await gateway.signedIn();
    const stored = JSON.stringify(await gateway.dumpKv());
    await gateway.passTime(HOUR + 1);
    cognito.set({ unknownKid: 'access' });
    await assertErrorJson(await browser.script('/user-info'), 502, 'token_rejected');
    assert.equal(JSON.stringify(await gateway.dumpKv()), stored);
    cognito.set({ unknownKid: null });
    await gateway.passTime(15);
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('and the old ones taken out: tokens that they signed are worth nothing once the set of five minutes ago is fetched anew', async () => {
    const old = mint();
    await gateway.signedIn();
    cognito.rotateKeys({ keepOld: false });
    await gateway.passTime(CURRENT_SECS - 10);
    assert.equal((await askWith(old)).status, 200);
    await gateway.passTime(11);
    const before = fetches();
    assert.equal((await askWith(old)).status, 200, 'nobody waits for a key that is known');
    await eventually(() => fetches() > before, 'the fetch beside the answer');
    await eventually(async () => (await askWith(old)).status === 401, 'its end');
    await assertErrorJson(await askWith(old), 401, 'token_invalid');
    await gateway.signedIn();
  });

  test('and the old ones taken out: the first token of a new key ends what the old one signed at once', async () => {
    const old = mint();
    await gateway.signedIn();
    cognito.rotateKeys({ keepOld: false });
    await gateway.signedIn();
    await assertErrorJson(await askWith(old), 401, 'token_invalid');
  });
});

test('keys once known keep verifying while Cognito gives none, in any isolate, for a day', async () => {
  await gateway.signedIn();
  cognito.set({ jwksFault: '500' });
  await gateway.signedIn();
  await gateway.passTime(CURRENT_SECS + 1);
  await gateway.signedIn();
  await gateway.newIsolate();
  await gateway.signedIn();
  await gateway.passTime(24 * HOUR);
  await assertErrorPage(await gateway.browser().signIn(), 503, 'idp_unavailable');
});

describe('a flood of forged key ids', () => {
  const FLOOD = 200;
  let round = 0;

  /** Hundreds of tokens, each with a key id of its own, at once; all are refused. */
  async function flood() {
    round += 1;
    const answers = await Promise.all(Array.from({ length: FLOOD }, (_, index) => (
      askWith(mint({ header: { kid: `forged-${round}-${index}` }, key: 'other' })))));
    for (const response of answers) await assertErrorJson(response, 401, 'token_invalid');
  }

  test('causes one fetch in thirty seconds, and good tokens are served meanwhile', async () => {
    await gateway.signedIn();
    assert.equal(fetches(), 1);
    const good = mint();
    const served = [];
    const visitor = (async () => {
      for (let index = 0; index < 20; index += 1) served.push((await askWith(good)).status);
    })();
    await flood();
    await visitor;
    assert.deepEqual([...new Set(served)], [200]);
    assert.equal(fetches(), 2, `one for ${FLOOD}`);
    await flood();
    assert.equal(fetches(), 2, 'none within thirty seconds');
    await gateway.passTime(COOLDOWN_SECS + 1);
    await flood();
    assert.equal(fetches(), 3, 'one in the next thirty seconds');
  });

  test('by sessions that are renewed with forged tokens ends none of them and causes one fetch', async () => {
    const browsers = await Promise.all(Array.from({ length: 8 }, () => gateway.signedIn()));
    await gateway.passTime(HOUR + 1);
    await askWith(mint());
    await eventually(() => fetches() === 2, 'the set that is current again');
    const before = fetches();
    cognito.set({ unknownKid: 'access' });
    for (const browser of browsers) await assertErrorJson(await browser.script('/user-info'), 502, 'token_rejected');
    assert.equal(fetches(), before + 1);
    cognito.set({ unknownKid: null });
    await gateway.passTime(15);
    for (const browser of browsers) assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('does not shut out a rotation: logins with the new keys succeed within thirty seconds, however long it lasts', async () => {
    await gateway.signedIn();
    await flood();
    cognito.rotateKeys();
    const during = await gateway.browser().signIn();
    assert.equal(during.status, 502, 'the new key is one more unknown id until then');
    for (let secs = 0; secs < COOLDOWN_SECS; secs += 10) {
      await gateway.passTime(10);
      await flood();
    }
    assert.equal((await gateway.browser().signIn()).status, 303);
    assert.ok(fetches() <= 3, `${fetches()} fetches`);
  });

  test('while the key set cannot be had says nothing about the tokens: 5xx, one attempt in ten seconds, known keys verify', async () => {
    await gateway.signedIn();
    const good = mint();
    cognito.set({ jwksFault: 'html' });
    const before = fetches();
    const forged = () => askWith(mint({ header: { kid: `forged-${Math.random()}` }, key: 'other' }));
    const answers = await Promise.all(Array.from({ length: 50 }, forged));
    for (const response of answers) assert.ok([502, 503].includes(response.status), `${response.status}`);
    assert.equal(fetches(), before + 1);
    assert.equal((await askWith(good)).status, 200);
  });
});
