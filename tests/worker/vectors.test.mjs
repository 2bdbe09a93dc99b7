// The Worker's verification of signatures, wasm and the platform's cryptography together, on cases that no key set of a Cognito
// would hold: through the tests' own build (src/platform/self_test.rs). tests/vectors.rs judges the public cases natively; both
// are held against the same verdicts, so a difference between the two fails here or there.

import assert from 'node:assert/strict';
import { constants, createHash, generateKeyPairSync, privateEncrypt, sign } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { after, test } from 'node:test';

import { ROOT, SELF_TEST, startGateway } from '../support/gateway.mjs';

const gateway = await startGateway({ main: SELF_TEST });
after(() => gateway.close());

/** The Worker's verdict on each case, by its id. */
async function judged(cases) {
  const body = JSON.stringify(cases.map(({ id, jwk, jws }) => ({ id, jwk, jws })));
  const response = await gateway.fetch('/self-test/jws', { method: 'POST', body });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}

async function assertVerdicts(cases) {
  const verdicts = await judged(cases);
  const wrong = cases.filter(({ id, valid }) => verdicts[id] !== valid).map(({ id, valid }) => `${id}: ${verdicts[id]}, not ${valid}`);
  assert.deepEqual(wrong, []);
}

const folder = process.env.EDGEGATE_VECTORS;

test('every public JWS and JWK case is judged as an RS256-only verifier must', { skip: folder ? false : 'EDGEGATE_VECTORS is not set' }, async () => {
  const lines = readFileSync(path.join(folder, 'rs256_jws_cases.jsonl'), 'utf8').split('\n').filter((line) => line.trim());
  const cases = lines.map((line) => JSON.parse(line)).map((each) => ({ ...each, valid: each.expect === 'valid' }));
  assert.ok(cases.length >= 455 && cases.filter(({ valid }) => valid).length === 10, `${cases.length} cases`);
  await assertVerdicts(cases);
});

// ---- Our own cases, around one key ----

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'own=', use: 'sig', alg: 'RS256' };
const encode = (value) => Buffer.from(value).toString('base64url');
const signed = `${encode(JSON.stringify({ alg: 'RS256', kid: 'own=' }))}.${encode(JSON.stringify({ sub: 'a' }))}`;
const signature = sign('sha256', Buffer.from(signed), pair.privateKey);
const jws = (bytes, text = signed) => `${text}.${encode(bytes)}`;

/** A case for each changed JWK; the signature is right. */
const withKey = (id, valid, changes) => ({ id, valid, jwk: { ...jwk, ...changes }, jws: jws(signature) });

test('a key is used for what it says of itself only', () => assertVerdicts([
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
  await assertVerdicts(cases);
});

// EMSA-PKCS1-v1_5 (RFC 8017 §9.2): 00 01 FF…FF 00 ‖ DigestInfo. Each block is put through the private key as it is, so that
// only the check of the padding can refuse it.

const DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');
const digest = createHash('sha256').update(signed).digest();
const MODULUS_BYTES = 256;

function block(digestInfo, { first = [0, 1], fill = 0xff, separator = [0], after: rest = Buffer.alloc(0), fillBytes } = {}) {
  const tail = Buffer.concat([Buffer.from(separator), digestInfo, rest]);
  const filling = Buffer.alloc(fillBytes ?? MODULUS_BYTES - first.length - tail.length, fill);
  const whole = Buffer.concat([Buffer.from(first), filling, tail]);
  return Buffer.concat([whole, Buffer.alloc(MODULUS_BYTES - whole.length)]);
}

function padded(id, valid, bytes) {
  const raw = privateEncrypt({ key: pair.privateKey, padding: constants.RSA_NO_PADDING }, bytes);
  return { id, valid, jwk, jws: jws(raw) };
}

const right = Buffer.concat([DIGEST_INFO, digest]);

test('the padding of a signature is checked to the last byte', () => {
  const hex = (text) => Buffer.concat([Buffer.from(text, 'hex'), digest]);
  return assertVerdicts([
    padded('as it must be', true, block(right)),
    padded('parameters absent', false, block(hex('302f300b0609608648016503040201' + '0420'))),
    padded('a length in long form (BER)', false, block(hex('308131' + '300d060960864801650304020105000420'))),
    padded('an inner length in long form', false, block(hex('3032' + '30810d060960864801650304020105000420'))),
    padded('an indefinite length', false, block(Buffer.concat([hex('3080' + '300d060960864801650304020105000420'), Buffer.alloc(2)]))),
    padded('another hash is named', false, block(hex('3031300d060960864801650304020305000420'))),
    padded('no DigestInfo', false, block(digest)),
    padded('a hash cut short', false, block(Buffer.concat([DIGEST_INFO, digest.subarray(0, 31)]))),
    padded('a hash of nothing', false, block(Buffer.concat([DIGEST_INFO, createHash('sha256').digest()]))),
    padded('bytes behind the hash', false, block(right, { after: Buffer.from('00', 'hex') })),
    padded('short padding, bytes behind the hash (e = 3 forgery)', false, block(right, { fillBytes: 8 })),
    padded('no padding', false, block(right, { fillBytes: 0 })),
    padded('block type 0', false, block(right, { first: [0, 0], fill: 0 })),
    padded('block type 2', false, block(right, { first: [0, 2] })),
    padded('padding of other bytes', false, block(right, { fill: 0xfe })),
    padded('no separator', false, block(right, { separator: [] })),
    padded('another separator', false, block(right, { separator: [1] })),
  ]);
});

test('a signature has the length of the modulus and is smaller than it', () => {
  const n = BigInt(`0x${Buffer.from(jwk.n, 'base64url').toString('hex')}`);
  const s = BigInt(`0x${signature.toString('hex')}`);
  const bytes = (number, length = MODULUS_BYTES) => Buffer.from(number.toString(16).padStart(length * 2, '0'), 'hex');
  const own = (id, valid, given) => ({ id, valid, jwk, jws: jws(given) });
  return assertVerdicts([
    own('right', true, signature),
    own('a zero in front', false, Buffer.concat([Buffer.alloc(1), signature])),
    own('a zero behind', false, Buffer.concat([signature, Buffer.alloc(1)])),
    own('a byte less', false, signature.subarray(1)),
    own('s + n', false, bytes(s + n, MODULUS_BYTES + 1)),
    own('zero', false, Buffer.alloc(MODULUS_BYTES)),
    own('one', false, bytes(1n)),
    own('n - 1', false, bytes(n - 1n)),
    own('n', false, bytes(n)),
    own('empty', false, Buffer.alloc(0)),
    own('a changed bit', false, bytes(s ^ 1n)),
  ]);
});

test('the octets as sent are what is verified', () => {
  const own = (id, valid, text, by = pair.privateKey) => ({ id, valid, jwk, jws: jws(sign('sha256', Buffer.from(text), by), text) });
  const header = (members) => `${encode(JSON.stringify(members))}.${encode('{}')}`;
  return assertVerdicts([
    own('members in another order', true, header({ kid: 'own=', alg: 'RS256' })),
    own('a payload that is not JSON', true, `${encode(JSON.stringify({ alg: 'RS256', kid: 'own=' }))}.${encode('foo')}`),
    own('a key embedded in the header', true, header({ alg: 'RS256', kid: 'own=', jku: 'https://evil.example/keys' })),
    own('an own key embedded', false, header({ alg: 'RS256', kid: 'own=', jwk }), generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    own('alg none', false, header({ alg: 'none', kid: 'own=' })),
    own('alg RS512 with a SHA-256 signature', false, header({ alg: 'RS512', kid: 'own=' })),
    own('crit', false, header({ alg: 'RS256', kid: 'own=', crit: ['exp'] })),
    own('b64 false', false, header({ alg: 'RS256', kid: 'own=', b64: false })),
    own('alg twice', false, `${encode('{"alg":"RS256","alg":"none","kid":"own="}')}.${encode('{}')}`),
    own('UTF-8 broken', false, `${encode(Buffer.from('7b22616c67223a225253323536222c226b6964223a22ff227d', 'hex'))}.${encode('{}')}`),
    own('a byte order mark', false, `${encode(`\ufeff${JSON.stringify({ alg: 'RS256', kid: 'own=' })}`)}.${encode('{}')}`),
    own('nested a thousand deep', false, `${encode(`{"alg":"RS256","kid":"own=","x":${'['.repeat(1000)}${']'.repeat(1000)}}`)}.${encode('{}')}`),
  ]);
});

test('the Worker that is deployed has none of this', () => {
  const deployed = `${ROOT}/build/index_bg.wasm`;
  assert.ok(existsSync(deployed), 'npm run build');
  const mark = Buffer.from('the cases cannot be read'); // of self_test.rs
  assert.equal(readFileSync(deployed).includes(mark), false);
  assert.equal(readFileSync(`${ROOT}/.edgegate/self-test/index_bg.wasm`).includes(mark), true, 'the mark is still the right one');
  assert.doesNotMatch(readFileSync(`${ROOT}/wrangler.toml`, 'utf8'), /self-test|--features/);
});
