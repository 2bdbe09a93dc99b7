// Which keys the Worker uses: our own cases around one key, judged by the tests' own build. The signature is right in each.

import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';

import { ROOT, SELF_TEST, startGateway } from '../support/gateway.mjs';
import { assertVerdicts } from '../support/verdicts.mjs';

const gateway = await startGateway({ main: SELF_TEST });
after(() => gateway.close());

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'own=', use: 'sig', alg: 'RS256' };
const encode = (value) => Buffer.from(value).toString('base64url');
const signed = `${encode(JSON.stringify({ alg: 'RS256', kid: 'own=' }))}.${encode(JSON.stringify({ sub: 'a' }))}`;
const signature = sign('sha256', Buffer.from(signed), pair.privateKey);
const jws = (bytes) => `${signed}.${encode(bytes)}`;

const withKey = (id, valid, changes) => ({ id, valid, jwk: { ...jwk, ...changes }, jws: jws(signature) });

test('a key is used for what it says of itself only', () => assertVerdicts(gateway, [
  withKey('as Cognito publishes it', true, {}),
  withKey('without use', true, { use: undefined }),
  withKey('without alg', true, { alg: undefined }),
  withKey('key_ops with verify', true, { key_ops: ['sign', 'verify'] }),
  withKey('use enc', false, { use: 'enc' }),
  withKey('use empty', false, { use: '' }),
  withKey('use a list', false, { use: ['sig'] }),
  withKey('alg PS256', false, { alg: 'PS256' }),
  withKey('alg RS512', false, { alg: 'RS512' }),
  withKey('alg in lower case', false, { alg: 'rs256' }),
  withKey('key_ops sign', false, { key_ops: ['sign'] }),
  withKey('key_ops empty', false, { key_ops: [] }),
  withKey('key_ops a word', false, { key_ops: 'verify' }),
  withKey('kty oct', false, { kty: 'oct', k: encode('secret') }),
  withKey('e = 1', false, { e: 'AQ' }),
  withKey('e even', false, { e: encode([1, 0, 0]) }),
  withKey('n even', false, { n: encode([...Buffer.from(jwk.n, 'base64url').subarray(0, -1), 0]) }),
  withKey('n padded', false, { n: `${jwk.n}==` }),
]));

test('a modulus has 2048 to 4096 bits', async () => {
  const cases = [1024, 2040, 2048, 3072, 4096].map((modulusLength) => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength });
    const bytes = sign('sha256', Buffer.from(signed), privateKey);
    return { id: `${modulusLength} bits`, valid: modulusLength >= 2048, jwk: publicKey.export({ format: 'jwk' }), jws: jws(bytes) };
  });
  await assertVerdicts(gateway, cases);
});

test('the Worker that is deployed has none of this', () => {
  const deployed = `${ROOT}/build/index_bg.wasm`;
  assert.ok(existsSync(deployed), 'npm run build');
  const mark = Buffer.from('the cases cannot be read'); // of self_test.rs
  assert.equal(readFileSync(deployed).includes(mark), false);
  assert.equal(readFileSync(`${ROOT}/.edgegate/self-test/index_bg.wasm`).includes(mark), true, 'the mark is still the right one');
  assert.doesNotMatch(readFileSync(`${ROOT}/wrangler.toml`, 'utf8'), /self-test|--features/);
});
