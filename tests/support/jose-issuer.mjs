// A user pool whose keys are in the test's hands: tokens made by `jose`, an implementation independent of the Worker's and of the
// local Cognito's, in Cognito's shape. Only the key set is served.

import { once } from 'node:events';
import { createServer } from 'node:http';

import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';

export async function startJoseIssuer({ clientId }) {
  const [right, other] = await Promise.all([generateKeyPair('RS256', { extractable: true }), generateKeyPair('RS256', { extractable: true })]);
  const jwk = { ...await exportJWK(right.publicKey), kid: 'jose-key=', use: 'sig', alg: 'RS256' };
  const server = createServer((request, response) => {
    response.writeHead(request.url.endsWith('/.well-known/jwks.json') ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ keys: [jwk] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${server.address().port}/us-east-1_Jose0001`;

  const now = () => Math.floor(Date.now() / 1000);
  const common = () => ({ sub: 'jose-user', iss: issuer, iat: now(), exp: now() + 600, auth_time: now(), jti: 'j', 'cognito:groups': ['staff'] });
  return {
    issuer,
    jwk,
    publicKey: right.publicKey,
    /** The public key in PEM, which an attacker would use as a secret. */
    spki: await exportSPKI(right.publicKey),
    now,
    accessClaims: (claims = {}) => without({
      ...common(), token_use: 'access', client_id: clientId, scope: 'openid', username: 'jose.user', version: 2, ...claims,
    }),
    idClaims: (claims = {}) => without({ ...common(), token_use: 'id', aud: clientId, 'cognito:username': 'jose.user', ...claims }),
    /** Signs any claims, by default rightly. */
    sign: (claims, { header = {}, key = right.privateKey } = {}) => new SignJWT(claims)
      .setProtectedHeader(without({ alg: 'RS256', kid: jwk.kid, ...header }))
      .sign(key, { crit: { exp: true } }),
    otherKey: other.privateKey,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** `undefined` takes a member out. */
function without(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
