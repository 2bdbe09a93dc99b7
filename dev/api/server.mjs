// A sample API for the sample app: what a team's own API does with the access token that a browser sends it. A DEVELOPMENT TOOL,
// on the loopback address only. It knows the issuer and the app client, fetches the signing keys, and keeps no session.

import { createServer } from 'node:http';

import { createRemoteJWKSet, jwtVerify } from 'jose';

const LOOPBACK = '127.0.0.1';

/** `requests` holds all that was received, newest last: {method, path, headers, at}. */
export async function startSampleApi({ port = 0, issuer, clientId, allowedOrigins = [] }) {
  const requests = [];
  const verify = accessTokenVerifier(issuer, clientId);
  const server = createServer(async (req, res) => {
    const { pathname } = new URL(req.url, 'http://local');
    requests.push({ method: req.method, path: pathname, headers: req.headers, at: Date.now() });
    const { status, headers, body } = await answer(req, pathname, verify);
    res.writeHead(status, { ...headers, ...crossOrigin(req.headers.origin, allowedOrigins), 'cache-control': 'no-store' });
    res.end(body && JSON.stringify(body));
  });

  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, resolve);
  });
  return {
    origin: `http://${LOOPBACK}:${server.address().port}`,
    requests,
    close: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}

async function answer({ method, headers }, path, verify) {
  const jsonType = { 'content-type': 'application/json' };
  if (path !== '/hello') return { status: 404, headers: jsonType, body: { error: 'not_found' } };
  if (method === 'OPTIONS') return { status: 204, headers: {} };
  if (method !== 'GET') return { status: 405, headers: { ...jsonType, allow: 'GET, OPTIONS' }, body: { error: 'method_not_allowed' } };

  const claims = await verify(headers.authorization);
  if (!claims) return { status: 401, headers: { ...jsonType, 'www-authenticate': 'Bearer error="invalid_token"' }, body: { error: 'token_invalid' } };
  const groups = claims['cognito:groups'] ?? [];
  return { status: 200, headers: jsonType, body: { message: 'Hello from the sample API.', sub: claims.sub, groups, expiresAt: claims.exp } };
}

/** Cognito's access tokens have no `aud`: the client is in `client_id`, and `token_use` tells them from ID tokens. */
function accessTokenVerifier(issuer, clientId) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), { cooldownDuration: 1000 });
  return async (authorization = '') => {
    const token = /^bearer (\S+)$/i.exec(authorization)?.[1];
    if (!token) return undefined;
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, algorithms: ['RS256'], requiredClaims: ['exp', 'sub'] });
      return payload.client_id === clientId && payload.token_use === 'access' ? payload : undefined;
    } catch {
      return undefined;
    }
  };
}

/** No credentials: the token in the header is all the API looks at, so cookies have no business here. */
function crossOrigin(origin, allowedOrigins) {
  if (!origin || !allowedOrigins.includes(origin)) return { vary: 'Origin' };
  return {
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-allow-headers': 'authorization',
    'access-control-allow-methods': 'GET',
    'access-control-max-age': '600',
  };
}
