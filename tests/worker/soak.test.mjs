// A short soak (tests/soak): every kind of fault, no wrong answer, no session lost without cause. And two gateways that are broken
// on purpose, so that it is known that the soak sees what it looks for.

import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';

import { FAULT_KINDS, tables } from '../soak/report.mjs';
import { findLeaks, soak } from '../soak/run.mjs';

const SEED = 'the tests';
/** Runs that are long enough for every kind of fault to come, and for a fault of the gateway to be found. */
const IN_THE_LARGE = { skip: process.env.EDGEGATE_ALL !== '1' && 'a large set: npm test -- --all' };

test('under faults of many kinds no answer is wrong and no session is lost without cause', async () => {
  const result = await soak({ users: 20, seconds: 8, thinkMs: 700, seed: SEED, rotation: '0', raised: true });
  assert.deepEqual(result.wrongAnswers, [], tables(result));
  assert.deepEqual(result.lostSessions, [], tables(result));
  assert.equal(result.leaks, 0, 'log lines with a secret');
  assert.ok(result.requests > 60 && result.refreshes.asked > 0, tables(result));
});

test('with every kind of fault no answer is wrong and no session is lost without cause', IN_THE_LARGE, async () => {
  const result = await soak({ users: 40, seconds: 25, thinkMs: 700, seed: SEED, rotation: '0', raised: true, everyKind: true });
  assert.deepEqual(result.wrongAnswers, [], tables(result));
  assert.deepEqual(result.lostSessions, [], tables(result));
  assert.equal(result.leaks, 0, 'log lines with a secret');
  assert.deepEqual(FAULT_KINDS.filter((kind) => !result.faults[kind]), [], 'kinds of faults that did not come');
  assert.ok(result.requests > 200 && result.refreshes.asked > 0, tables(result));
});

test('a gateway that shows pages without a session is found out', IN_THE_LARGE, async () => {
  const { wrongAnswers } = await soak({ users: 6, seconds: 6, thinkMs: 400, seed: SEED, rotation: 'off', wrong: 'open' });
  const found = wrongAnswers.map(({ what }) => what);
  assert.ok(found.includes('opened without a session'), found.join(', '));
});

test('a gateway that forgets sessions is found out', IN_THE_LARGE, async () => {
  const { lostSessions } = await soak({ users: 12, seconds: 10, thinkMs: 300, seed: SEED, rotation: 'off', wrong: 'forgets' });
  assert.ok(lostSessions.some(({ what }) => what === 'a session is gone without cause'), 'no session was found lost');
});

test('a log line with a token, a cookie or an e-mail address is found out', () => {
  const secrets = new Set(['a-cookie-of-sixty-four-characters']);
  const bad = ['{"session":"a-cookie-of-sixty-four-characters"}', 'user-0001@example.com', 'eyJhbGciOiJSUzI1NiIsImtpZCI6'];
  assert.deepEqual(findLeaks(['{"route":"site"}', ...bad], secrets), bad);
});
