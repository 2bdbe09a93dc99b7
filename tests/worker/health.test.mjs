// GET /healthz and /readyz: what a monitor may ask, and what it costs.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertOwnHeaders } from '../support/answers.mjs';
import { FAULTY, NAVIGATION, startGateway } from '../support/gateway.mjs';

const gateway = await startGateway({ main: FAULTY });
after(() => gateway.close());
beforeEach(async () => {
  await gateway.allWell();
  await gateway.passTime(400); // what was remembered is forgotten, keys included
});

const UNREADABLE = { kv: { get: 'KV GET failed: 500 detail', getWithMetadata: 'KV GET failed: 500 detail' } };

describe('/healthz', () => {
  test('asks neither the store nor Cognito', async () => {
    await gateway.setWorld({ ...UNREADABLE, unreachable: gateway.cognito.origin });
    const response = await gateway.fetch('/healthz');
    assert.equal(response.status, 200);
    assertOwnHeaders(response);
    assert.deepEqual(await response.json(), { status: 'ok' });
    assert.deepEqual(await gateway.setWorld({}), []);
    assert.deepEqual(gateway.cognito.requests, []);
  });
});

describe('/readyz', () => {
  test('is 200 while the store and the key set can be had', async () => {
    const response = await gateway.fetch('/readyz');
    assert.equal(response.status, 200);
    assertOwnHeaders(response);
    assert.deepEqual(await response.json(), { status: 'ok' });
    assert.equal(gateway.asked('/jwks.json').length, 1);
  });

  test('is 503 without the store, without details, and JSON to everybody', async () => {
    await gateway.setWorld(UNREADABLE);
    const text = JSON.stringify(await assertErrorJson(await gateway.fetch('/readyz'), 503, 'store_unavailable'));
    assert.doesNotMatch(text, /detail|KV|GET/);
    await assertErrorJson(await gateway.fetch('/readyz', { headers: NAVIGATION }), 503, 'store_unavailable');
  });

  test('is 503 without the key set', async () => {
    gateway.cognito.set({ jwksFault: '500' });
    await assertErrorJson(await gateway.fetch('/readyz'), 503, 'idp_unavailable');
  });

  test('remembers the answer for ten seconds, good or bad', async () => {
    assert.equal((await gateway.fetch('/readyz')).status, 200);
    await gateway.setWorld(UNREADABLE);
    assert.equal((await gateway.fetch('/readyz')).status, 200);
    await gateway.passTime(11);
    await assertErrorJson(await gateway.fetch('/readyz'), 503, 'store_unavailable');
    await gateway.setWorld({ kv: undefined });
    await assertErrorJson(await gateway.fetch('/readyz'), 503, 'store_unavailable');
    await gateway.passTime(11);
    assert.equal((await gateway.fetch('/readyz')).status, 200);
  });

  test('asked by many monitors at once is still one look', async () => {
    await gateway.setWorld({});
    gateway.cognito.set({ jwksFault: 'slow', slowMs: 500 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.fetch('/readyz')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.deepEqual(await gateway.setWorld({}), ['get']);
    assert.equal(gateway.asked('/jwks.json').length, 1);
  });
});
