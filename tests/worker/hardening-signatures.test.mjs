// Signatures that are almost right, and tokens that are rightly signed and still wrong, judged by the wasm and the platform's cryptography.
// The user pool's key is in the test's hands, so that any block of bytes can be signed.

import assert from 'node:assert/strict';
import { constants, createHash, generateKeyPairSync, privateEncrypt, sign as signWith } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, describe, test } from 'node:test';

import { assertErrorJson } from '../support/answers.mjs';
import { startGateway } from '../support/gateway.mjs';

const CLIENT_ID = '3localdevclient00000000000';
const KEY_BYTES = 256;
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 8 * KEY_BYTES });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key=', use: 'sig', alg: 'RS256' };
const MODULUS = BigInt(`0x${Buffer.from(jwk.n, 'base64url').toString('hex')}`);

const pool = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ keys: [jwk] }));
});
pool.listen(0, '127.0.0.1');
await once(pool, 'listening');
const issuer = `http://127.0.0.1:${pool.address().port}/us-east-1_Raw00001`;
const gateway = await startGateway({ vars: { COGNITO_ISSUER: issuer, COGNITO_CLIENT_ID: CLIENT_ID } });
after(async () => {
  await gateway.close();
  pool.closeAllConnections();
  pool.close();
});

const now = () => Math.floor(Date.now() / 1000);
const claims = (more = {}) => ({
  iss: issuer, sub: 'somebody', token_use: 'access', client_id: CLIENT_ID, iat: now(), exp: now() + 600, username: 'somebody', ...more,
});
const part = (bytes) => Buffer.from(bytes).toString('base64url');
const HEADER = JSON.stringify({ alg: 'RS256', kid: jwk.kid });

/** What is signed; `header` and `payload` are bytes or text as they are to be sent. */
const message = ({ header = HEADER, payload = JSON.stringify(claims()) } = {}) => `${part(header)}.${part(payload)}`;
const rightly = (text) => signWith('sha256', Buffer.from(text), privateKey);
const token = (text, signature = rightly(text)) => `${text}.${part(signature)}`;
const ask = (bearer) => gateway.fetch('/user-info', { headers: { authorization: `Bearer ${bearer}` } });

async function assertRefused(bearer, reason) {
  const { requestId } = await assertErrorJson(await ask(bearer), 401, 'token_invalid');
  const line = await gateway.lineOf(requestId);
  assert.ok([reason].flat().includes(line.reason), `refused for ${line.reason}`);
}

test('a token that is right is accepted, also with the block put together here', async () => {
  const text = message();
  assert.equal((await ask(token(text))).status, 200);
  assert.equal((await ask(token(text, sealed(block(sha256(text)))))).status, 200);
});

const sha256 = (text) => createHash('sha256').update(text).digest();
const DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');
/** EMSA-PKCS1-v1_5 (RFC 8017 §9.2): 00 01 FF … FF 00 DigestInfo hash. */
const block = (hash, { info = DIGEST_INFO, start = [0, 1], fill = 0xff, end = [0], pad, behind = Buffer.alloc(0) } = {}) => {
  const length = pad ?? KEY_BYTES - start.length - end.length - info.length - hash.length - behind.length;
  return Buffer.concat([Buffer.from(start), Buffer.alloc(length, fill), Buffer.from(end), info, hash, behind]);
};
/** The block as it is, under the private key. */
const sealed = (bytes) => privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, bytes);
const number = (bytes) => BigInt(`0x${bytes.toString('hex')}`);
const bytesOf = (value, length) => Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');

/** A message whose right signature has some property. */
function messageWith(property) {
  for (let nonce = 0; nonce < 20_000; nonce += 1) {
    const text = message({ payload: JSON.stringify(claims({ jti: String(nonce) })) });
    const signature = rightly(text);
    if (property(signature)) return [text, signature];
  }
  throw new Error('no such signature was found');
}

describe('a signature is checked to the last byte:', () => {
  const FLAWS = {
    'the parameters of the hash left out': (hash) => block(hash, { info: Buffer.from('302f300b06096086480165030402010420', 'hex') }),
    'a length in the long form': (hash) => block(hash, { info: Buffer.from('308131300d060960864801650304020105000420', 'hex') }),
    'the name of another hash': (hash) => block(hash, { info: Buffer.from('3031300d060960864801650304020205000420', 'hex') }),
    'no name of a hash': (hash) => block(hash, { info: Buffer.alloc(0) }),
    'the name of SHA-1 and its hash': (_, text) => block(createHash('sha1').update(text).digest(), {
      info: Buffer.from('3021300906052b0e03021a05000414', 'hex'),
    }),
    'a short padding and rubbish behind the hash': (hash) => block(hash, {
      pad: 8, behind: Buffer.alloc(KEY_BYTES - 3 - 8 - DIGEST_INFO.length - hash.length, 0xab),
    }),
    'one byte behind the hash': (hash) => block(hash, { behind: Buffer.of(0) }),
    'rubbish in the parameters of the hash': (hash) => block(hash, { info: Buffer.from('3033300f06096086480165030402010502abcd0420', 'hex') }),
    'padding of zeros': (hash) => block(hash, { fill: 0 }),
    'padding that ends too soon': (hash) => Object.assign(block(hash), { 40: 0 }),
    'padding with one other byte': (hash) => Object.assign(block(hash), { 40: 0xfe }),
    'padding without its end': (hash) => block(hash, { end: [0xff] }),
    'the block type of encryption': (hash) => block(hash, { start: [0, 2] }),
    'the block type 0': (hash) => block(hash, { start: [0, 0] }),
    'a first byte that is not 0': (hash) => block(hash, { start: [1, 1] }),
    'a hash that is too short': (hash) => block(hash.subarray(0, 31)),
    'the last bit of the hash changed': (hash) => block(Object.assign(Buffer.from(hash), { 31: hash[31] ^ 1 })),
    'the hash of another message': () => block(sha256('another')),
    'a block of ones': () => Buffer.from('00'.repeat(KEY_BYTES - 1) + '01', 'hex'),
    'an empty block': () => Buffer.alloc(KEY_BYTES),
  };
  for (const [flaw, make] of Object.entries(FLAWS)) {
    test(`a signature with ${flaw} is refused`, async () => {
      const text = message();
      const bytes = make(sha256(text), text);
      assert.equal(bytes.length, KEY_BYTES, 'a whole block');
      await assertRefused(token(text, sealed(bytes)), 'token_signature');
    });
  }

  test('one that is the same number in another length is refused', async () => {
    const [text, signature] = messageWith((bytes) => bytes[0] === 0);
    assert.equal((await ask(token(text, signature))).status, 200);
    await assertRefused(token(text, signature.subarray(1)), 'token_signature');
    await assertRefused(token(text, Buffer.concat([Buffer.of(0), signature])), 'token_signature');
    await assertRefused(token(text, Buffer.concat([signature, Buffer.of(0)])), 'token_signature');
  });

  test('one that is right but for a multiple of the modulus is refused', async () => {
    const [text, signature] = messageWith((bytes) => number(bytes) + MODULUS < 1n << BigInt(8 * KEY_BYTES));
    assert.equal((await ask(token(text, signature))).status, 200);
    await assertRefused(token(text, bytesOf(number(signature) + MODULUS, KEY_BYTES)), 'token_signature');
  });

  test('one by PSS, with our key and hash, is refused', async () => {
    const text = message();
    const pss = signWith('sha256', Buffer.from(text), { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    await assertRefused(token(text, pss), 'token_signature');
  });
});

test('a token that is wrong in everything is refused for its signature', async () => {
  const wrong = message({ payload: JSON.stringify(claims({ iss: 'https://evil.example', exp: 1, iat: 'x', sub: '', client_id: 'another' })) });
  await assertRefused(token(wrong, sealed(block(sha256('another')))), 'token_signature');
  await assertRefused(token(wrong), 'token_payload'); // rightly signed, its times are not even numbers
  const expired = message({ payload: JSON.stringify(claims({ iss: 'https://evil.example', exp: 1 })) });
  await assertRefused(token(expired, sealed(block(sha256('another')))), 'token_signature');
  await assertRefused(token(expired), 'token_expired');
  const rubbish = message({ payload: '[]' });
  await assertRefused(token(rubbish, sealed(block(sha256('another')))), 'token_signature');
});

describe('rightly signed is not enough:', () => {
  const json = JSON.stringify(claims());
  const and = (members) => `${json.slice(0, -1)},${members}}`;
  const PAYLOADS = {
    'a list': '[]',
    'a list of a right object': `[${json}]`,
    'a text': '"text"',
    'a number': '7',
    'null': 'null',
    'cut short': json.slice(0, -1),
    'two objects': `${json}${json}`,
    'an object with a word behind it': `${json} x`,
    'behind a byte order mark': Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), Buffer.from(json)]),
    'of UTF-16': Buffer.from(json, 'utf16le'),
    'not UTF-8 in a text': Buffer.from(and('"x":"\u00ff"'), 'latin1'),
    'not UTF-8 in a name': Buffer.from(and('"\u00ff":1'), 'latin1'),
    'with half a surrogate pair': and(String.raw`"x":"\ud800"`),
    'with sub twice': and('"sub":"admin"'),
    'with sub twice in two spellings': and(String.raw`"s\u0075b":"admin"`),
    'with exp twice': and('"exp":99999999999'),
    'with cognito:groups twice': and('"cognito:groups":["a"],"cognito:groups":["admin"]'),
    'nested ten thousand deep': and(`"x":${'['.repeat(10_000)}${']'.repeat(10_000)}`),
    'with an exp beyond all numbers': JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":1e400'),
    'with NaN': JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":NaN'),
    'with a comment': `/* */${json}`,
    'in single quotes': json.replaceAll('"', "'"),
  };
  for (const [what, payload] of Object.entries(PAYLOADS)) {
    test(`a rightly signed token whose payload is ${what} is refused`, () => (
      assertRefused(token(message({ payload })), ['token_payload', 'token_not_compact'])));
  }

  const HEADERS = {
    'a list': '["RS256"]',
    'a list of a right object': `[${HEADER}]`,
    'behind a byte order mark': Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), Buffer.from(HEADER)]),
    'with alg twice': `${HEADER.slice(0, -1)},"alg":"RS256"}`,
    'with alg twice, none first': `{"alg":"none",${HEADER.slice(1)}`,
    'with kid twice': `${HEADER.slice(0, -1)},"kid":"key="}`,
    'with crit twice': `${HEADER.slice(0, -1)},"crit":null,"crit":[]}`,
    'not UTF-8': Buffer.from(`${HEADER.slice(0, -1)},"x":"\u00ff"}`, 'latin1'),
    'nested ten thousand deep': `${HEADER.slice(0, -1)},"x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    'null': 'null',
  };
  for (const [what, header] of Object.entries(HEADERS)) {
    test(`a rightly signed token whose header is ${what} is refused`, () => (
      assertRefused(token(message({ header })), ['token_not_compact', 'token_member_repeated'])));
  }

  test('and what is merely unusual passes: spaces, escapes, members that nobody knows', async () => {
    for (const options of [
      { payload: JSON.stringify(claims(), null, 2) }, { payload: json.replace('"sub"', String.raw`"s\u0075b"`) },
      { payload: and('"x":{"sub":"a","y":[1,2.5e3,null]}') }, { header: `{"x":1, ${HEADER.slice(1)}` }, { header: HEADER.replace('"RS256"', String.raw`"RS\u0032\u0035\u0036"`) },
    ]) assert.equal((await ask(token(message(options)))).status, 200, JSON.stringify(options));
  });
});
