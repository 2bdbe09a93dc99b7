// A Cognito that is only as much as a sign-in and a verifier ask for: keys, discovery and the token endpoint. What it is to
// say about a person comes in the code itself, so that nobody need go through a login page.
import { createHash, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';

export const POOL_ID = 'us-east-1_Bench0001';
export const ISSUER = `https://cognito-idp.us-east-1.amazonaws.com/${POOL_ID}`;
export const DOMAIN = 'https://auth.example.com';
export const CLIENT_ID = '3benchclient000000000000';

/** Long enough that no session is renewed while it is measured; Cognito allows a day. */
const TOKEN_LIFE_SECS = 12 * 3600;

const KID = 'bench-1';
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const HEADER = encode({ kid: KID, alg: 'RS256' });

/** A pool's key pair: `{ privateKey, jwks }`. */
export function newPool() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: KID };
  return { privateKey, jwks: { keys: [jwk] } };
}

/** The person number `n`. */
export function person(n) {
  const sub = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  return { sub, email: `person-${n}@example.com`, name: `Person ${n}` };
}

/** An ID token; of the same person no two are equal. */
export function idToken(pool, n, more = {}) {
  return signed(pool, {
    ...common(n),
    ...person(n),
    email_verified: true,
    'cognito:username': person(n).sub,
    'cognito:groups': ['readers'],
    aud: CLIENT_ID,
    token_use: 'id',
    ...more,
  });
}

function accessToken(pool, n) {
  return signed(pool, {
    ...common(n),
    'cognito:groups': ['readers'],
    client_id: CLIENT_ID,
    scope: 'openid email profile',
    token_use: 'access',
    username: person(n).sub,
    version: 2,
  });
}

function common(n) {
  const now = Math.floor(Date.now() / 1000);
  return {
    sub: person(n).sub,
    iss: ISSUER,
    origin_jti: randomUUID(),
    event_id: randomUUID(),
    auth_time: now,
    iat: now,
    exp: now + TOKEN_LIFE_SECS,
    jti: randomUUID(),
  };
}

function signed({ privateKey }, claims) {
  const text = `${HEADER}.${encode(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`;
}

/** A code that signs person `n` in, in the flow that has this nonce. */
export function codeFor(n, nonce) {
  return `${n}-${Buffer.from(nonce).toString('hex')}`;
}

/** As long as Cognito's, and as opaque. */
export function refreshToken() {
  return [52, 256, 12, 960, 16].map((bytes) => randomBytes(bytes).toString('base64url')).join('.');
}

/** Answers what is Cognito's; whether it was. */
export function answerCognito(pool, request, response) {
  const { pathname } = new URL(request.url, DOMAIN);
  if (pathname.endsWith('/.well-known/jwks.json')) return json(response, pool.jwks);
  if (pathname.endsWith('/.well-known/openid-configuration')) return json(response, discovery());
  if (pathname !== '/oauth2/token' || request.method !== 'POST') return false;
  let form = '';
  request.on('data', (chunk) => (form += chunk));
  request.on('end', () => {
    const [n, hex] = new URLSearchParams(form).get('code').split('-');
    const access = accessToken(pool, Number(n));
    const at_hash = createHash('sha256').update(access).digest().subarray(0, 16).toString('base64url');
    const nonce = Buffer.from(hex, 'hex').toString();
    json(response, {
      id_token: idToken(pool, Number(n), { nonce, at_hash }),
      access_token: access,
      refresh_token: refreshToken(),
      expires_in: TOKEN_LIFE_SECS,
      token_type: 'Bearer',
    });
  });
  return true;
}

function discovery() {
  return {
    issuer: ISSUER,
    authorization_endpoint: `${DOMAIN}/oauth2/authorize`,
    token_endpoint: `${DOMAIN}/oauth2/token`,
    jwks_uri: `${ISSUER}/.well-known/jwks.json`,
    response_types_supported: ['code'],
    scopes_supported: ['openid', 'email', 'profile'],
  };
}

function json(response, value) {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(value));
  return true;
}
