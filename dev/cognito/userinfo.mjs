// GET /oauth2/userInfo: the one remote check that a token has not been revoked. Booleans are strings here, as Cognito has them.

import { compactVerify, importJWK } from 'jose';

import { enabledAccount, readableAttributes } from './accounts.mjs';
import { json, methodNotAllowed } from './http.mjs';
import { publishedKeys } from './keys.mjs';
import { now } from './tokens.mjs';

const MALFORMED = 'error="invalid_request", error_description="Bad OAuth2 request at UserInfo Endpoint"';
const DEAD = 'error="invalid_token", error_description="Access token is expired, disabled, or deleted, or the user has globally signed out."';

export async function userInfo(pool, { method, headers }) {
  if (method !== 'GET' && method !== 'POST') return methodNotAllowed('GET, POST');
  const bearer = /^bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (!bearer) return { status: 400, headers: { 'www-authenticate': MALFORMED } };

  const claims = await verifiedClaims(pool, bearer);
  if (!claims || !(await isLive(pool, claims.jti))) return { status: 401, headers: { 'www-authenticate': DEAD } };
  return json(200, attributes(enabledAccount(pool.users, claims.sub), claims.scope));
}

async function verifiedClaims(pool, token) {
  try {
    const { payload } = await compactVerify(token, ({ kid }) => {
      const jwk = publishedKeys(pool.keys, pool.switches).keys.find((key) => key.kid === kid);
      return importJWK(jwk, 'RS256');
    }, { algorithms: ['RS256'] });
    const claims = JSON.parse(new TextDecoder().decode(payload));
    return claims.token_use === 'access' && claims.exp > now() ? claims : undefined;
  } catch {
    return undefined;
  }
}

/** The core knows the token by its jti: not revoked, its grant alive, its account enabled, openid among its scopes. */
async function isLive(pool, jti) {
  const { status } = await pool.core.ask({ path: '/oauth2/userInfo', headers: { authorization: `Bearer ${jti}` } });
  return status === 200;
}

function attributes(user, scope) {
  const asked = new Set(scope.split(' '));
  const scopes = asked.size === 1 ? new Set(['email', 'phone', 'profile']) : asked; // openid alone: everything readable
  const readable = { sub: user.sub, ...readableAttributes(user, scopes), username: user.username };
  return Object.fromEntries(Object.entries(readable).map(([name, value]) => [name, typeof value === 'boolean' ? String(value) : value]));
}
