// ID, access and refresh tokens in Cognito's shape (claims, their types, header, key of each), and the switches that bend them.

import { createHash, randomBytes, randomUUID } from 'node:crypto';

import { enabledAccount, readableAttributes } from './accounts.mjs';
import { signJwt } from './keys.mjs';

/**
 * Both JWTs of one token answer.
 * `event`: {sub, scope, authTime, nonce, originJti, resource, accessJti, refreshed}
 */
export function mintTokens(pool, event) {
  const { switches } = pool;
  const user = enabledAccount(pool.users, event.sub);
  const common = commonClaims(pool, event, user);
  const onRefresh = event.refreshed ? switches.refreshClaims : {};

  const access = merge(accessClaims(pool, event, user, common), { ...switches.accessClaims, ...onRefresh });
  const accessToken = signAs('access', pool, access);
  if (switches.omitIdToken || !event.scope.split(' ').includes('openid')) return { accessToken };

  const id = merge(idClaims(pool, event, user, common, accessToken), { ...switches.idClaims, ...onRefresh });
  return { accessToken, idToken: signAs('id', pool, id) };
}

/** One arbitrary token for tests, free of all switches. `undefined` or null removes a claim or header member. */
export function mintOne(pool, kind, claimsOverride = {}, { header = {}, key = 'right' } = {}) {
  const quiet = { ...pool, switches: { ...pool.switches, ...QUIET } };
  const user = Object.values(pool.users)[0];
  const event = { sub: user.sub, scope: pool.client.scopes.join(' '), authTime: now(), originJti: randomUUID(), accessJti: randomUUID() };
  const common = commonClaims(quiet, event, user);
  const claims = kind === 'id' ? idClaims(quiet, event, user, common, '') : accessClaims(quiet, event, user, common);
  const signer = key === 'other' ? pool.keys.other : pool.keys[kind];
  return signJwt(pool.keys, signer, merge({ kid: signer.kid, alg: 'RS256' }, header), merge(claims, claimsOverride));
}

const QUIET = { injectedNonce: false, badNonce: false, missingNonce: false, resourceAud: null, groups100: false, oversize: 0, clockOffset: 0 };

function commonClaims(pool, event, user) {
  const { switches } = pool;
  const issuedAt = now() + switches.clockOffset;
  const groups = switches.groups100 ? Array.from({ length: 100 }, (_, i) => `group-${i}-`.padEnd(128, 'x')) : user.groups;
  return {
    sub: user.sub,
    ...(groups?.length && { 'cognito:groups': groups }),
    iss: pool.issuer(),
    origin_jti: event.originJti,
    event_id: event.id ?? randomUUID(),
    auth_time: event.authTime,
    iat: issuedAt,
    exp: issuedAt + switches.accessTtl,
    ...(switches.oversize > 0 && { 'custom:padding': 'x'.repeat(switches.oversize) }),
  };
}

function idClaims(pool, event, user, common, accessToken) {
  const nonce = nonceOf(pool.switches, event);
  return {
    at_hash: createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url'),
    ...common,
    'cognito:username': user.username,
    ...(nonce !== undefined && { nonce }),
    aud: pool.client.id,
    token_use: 'id',
    jti: randomUUID(),
    ...(user.identities && { identities: user.identities }),
    ...readableAttributes(user, new Set(event.scope.split(' '))),
  };
}

function accessClaims(pool, event, user, common) {
  const aud = pool.switches.resourceAud ?? event.resource;
  return {
    ...common,
    ...(aud && { aud }),
    version: 2,
    client_id: pool.client.id,
    token_use: 'access',
    scope: event.scope,
    jti: event.accessJti,
    username: user.username,
  };
}

/** Cognito copies the nonce at sign-in; a refreshed token normally has none (OpenID Connect Core 12.2 allows the same one). */
function nonceOf(switches, { nonce, refreshed }) {
  if (refreshed && switches.refreshNonce !== 'same') return switches.refreshNonce === 'other' ? randomUUID() : undefined;
  if (switches.missingNonce) return undefined;
  if (switches.badNonce) return randomUUID();
  return nonce ?? (switches.injectedNonce ? randomUUID() : undefined);
}

function signAs(kind, pool, claims) {
  const { switches, keys } = pool;
  const key = switches.unknownKid === kind ? keys.other : keys[switches.oneKey ? 'id' : kind];
  const header = merge({ kid: key.kid, alg: switches[`${kind}Alg`] }, switches[`${kind}Header`]);
  return signJwt(keys, key, header, claims, { spoil: switches.badSignature === kind });
}

/** `undefined` or null takes a member out. */
export function merge(base, changes) {
  const merged = { ...base, ...changes };
  for (const [name, value] of Object.entries(merged)) if (value === null || value === undefined) delete merged[name];
  return merged;
}

/**
 * Refresh tokens: opaque to clients, in Cognito the five parts of a JWE. So are these, of random bytes and the usual lengths;
 * what the store knows is only the hash, because the core takes any structured token for a JWT and refuses to revoke it.
 */
export function newRefreshToken() {
  const header = Buffer.from('{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}').toString('base64url');
  return [header, ...[256, 12, 960, 16].map((bytes) => randomBytes(bytes).toString('base64url'))].join('.');
}

export function refreshTokenId(token) {
  return createHash('sha256').update(token).digest('base64url');
}

export function now() {
  return Math.floor(Date.now() / 1000);
}
