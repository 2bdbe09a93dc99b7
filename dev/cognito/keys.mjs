// Signing keys: one RSA-2048 key for ID tokens and one for access tokens, as a pool has, and how JWTs are signed with them
// rightly and wrongly. Signing is done on node:crypto rather than a JOSE library because a good library refuses to make
// most of the bad tokens that the switches ask for.

import { createHmac, generateKeyPair, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { promisify } from 'node:util';

const RSA = ['rsa', { modulusLength: 2048 }];

/** `other` is never published: tokens that it signs are forgeries. `ec` serves the ES256 forgeries. */
export async function createKeyRing() {
  const make = promisify(generateKeyPair);
  const [id, access, other] = await Promise.all([make(...RSA), make(...RSA), make(...RSA)]);
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { id: named(id), access: named(access), other: named(other), ec: ec.privateKey, retired: [] };
}

/** Done at once, so that it can't race with a token being signed. */
export function rotate(ring, { keepOld }) {
  ring.retired = keepOld ? [...ring.retired, ring.id, ring.access] : [];
  ring.id = named(generateKeyPairSync(...RSA));
  ring.access = named(generateKeyPairSync(...RSA));
}

export function publishedKeys(ring, { oneKey }) {
  return { keys: (oneKey ? [ring.id] : [ring.id, ring.access, ...ring.retired]).map((key) => key.jwk) };
}

function named({ publicKey, privateKey }) {
  const kid = randomBytes(32).toString('base64'); // 44 characters, the last one "=", as Cognito's are
  const { e, n } = publicKey.export({ format: 'jwk' });
  return { kid, publicKey, privateKey, jwk: { alg: 'RS256', e, kid, kty: 'RSA', n, use: 'sig' } };
}

/** `header.alg` decides how it is signed; an alg that is not known here only stands in the header of an RS256 signature. */
export function signJwt(ring, key, header, claims, { spoil = false } = {}) {
  const signed = `${encode(header)}.${encode(claims)}`;
  const signature = signatureOf(ring, key, header.alg, signed);
  if (spoil) signature[signature.length >> 1] ^= 1;
  return `${signed}.${signature.toString('base64url')}`;
}

function signatureOf(ring, key, alg, signed) {
  if (alg === 'none') return Buffer.alloc(0);
  // The classic confusion: the verifier's public key, which everybody has, taken for a shared secret.
  if (alg === 'HS256') return createHmac('sha256', key.publicKey.export({ type: 'spki', format: 'pem' })).update(signed).digest();
  if (alg === 'ES256') return sign('sha256', signed, { key: ring.ec, dsaEncoding: 'ieee-p1363' });
  return sign('sha256', signed, key.privateKey);
}

function encode(part) {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
