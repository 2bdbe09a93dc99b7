// A local Amazon Cognito user pool with one app client: a DEVELOPMENT TOOL, on the loopback address only, for running and testing
// the gateway without an AWS account. It is npm's certified oidc-provider (core.mjs) dressed as Cognito: paths, tokens,
// answers and errors as real pools give them, and switches (switches.mjs) for what can go wrong.
//
// Out of scope: several pools or clients, sign-up, MFA, federation, the SDK's API. State is in memory and ends with the process.

import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

import { TEST_ACCOUNTS } from './accounts.mjs';
import { authorize, errorEndpoint } from './authorize.mjs';
import { control } from './control.mjs';
import { createCore } from './core.mjs';
import { json, methodNotAllowed, readRequest, sendAnswer } from './http.mjs';
import { createKeyRing, rotate } from './keys.mjs';
import { login } from './login.mjs';
import { logout } from './logout.mjs';
import { revoke } from './revoke.mjs';
import { createStorage } from './storage.mjs';
import { applySwitches, defaultSwitches } from './switches.mjs';
import { token } from './token.mjs';
import { mintOne } from './tokens.mjs';
import { userInfo } from './userinfo.mjs';
import { discovery, jwks, redirected } from './wellknown.mjs';

const LOOPBACK = '127.0.0.1';
const LOCAL_NAMES = new Set(['127.0.0.1', 'localhost', '[::1]']);

export async function startCognito({
  port = 0,
  poolId = 'us-east-1_Local0001',
  clientId = '3localdevclient00000000000',
  clientSecret = 'localdevsecretlocaldevsecretlocaldevsecretlocaldev00',
  callbackUrls = ['http://localhost:8787/auth/callback', 'http://localhost:8787/signed-in.html'],
  logoutUrls = ['http://localhost:8787/'],
  scopes = ['openid', 'email', 'profile', 'phone'],
  accessTtl = 3600,
  refreshTtl = 30 * 86400,
  users = structuredClone(TEST_ACCOUNTS),
} = {}) {
  const keys = await createKeyRing();
  const server = createServer();
  await listen(server, port);
  const origin = `http://${LOOPBACK}:${server.address().port}`;

  const startSwitches = { accessTtl, refreshTtl };
  const switches = defaultSwitches(startSwitches);
  const requests = [];
  const pool = {
    origin,
    poolId,
    client: { id: clientId, secret: clientSecret, callbackUrls, logoutUrls, scopes },
    users: users instanceof Map ? Object.fromEntries(users) : users,
    switches,
    keys,
    storage: createStorage(switches),
    signIns: new Map(), // grant id → what a sign-in is besides its grant
    requests,
    issuer: () => (switches.updatedIssuer ? `${origin}/issuer/${poolId}` : `${origin}/${poolId}`),
  };
  pool.core = createCore(pool);

  const cognito = {
    origin,
    issuer: `${origin}/${poolId}`,
    poolId,
    clientId,
    clientSecret,
    users: pool.users,
    requests,
    switches,
    /** The kids that sign now: {id, access}. */
    get kids() { return { id: keys.id.kid, access: keys.access.kid }; },
    set: (partial) => applySwitches(switches, partial),
    reset() {
      applySwitches(switches, defaultSwitches(startSwitches));
      requests.length = 0;
    },
    rotateKeys: ({ keepOld = true } = {}) => rotate(keys, { keepOld }),
    mint: (kind, claimsOverride, options) => mintOne(pool, kind, claimsOverride, options),
    revokeAll: (email) => pool.storage.forgetTokensOf(pool.users[email].sub),
  };
  pool.control = cognito;

  const closing = new AbortController();
  server.on('request', (req, res) => serve(pool, req, res, closing.signal));
  cognito.close = () => new Promise((resolve) => {
    closing.abort();
    server.close(resolve);
    server.closeAllConnections();
  });
  return cognito;
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, resolve);
  });
}

async function serve(pool, req, res, signal) {
  try {
    const request = await readRequest(req);
    if (!LOCAL_NAMES.has(hostname(request))) {
      // Another name that resolves to this machine: a page from elsewhere reaching in.
      await sendAnswer(res, json(421, { error: 'the local Cognito answers on the loopback address only' }));
    } else if (request.path.startsWith('/_control')) {
      await sendAnswer(res, await control(pool, request));
    } else {
      record(pool, request);
      if (pool.switches.latencyMs > 0) await wait(pool.switches.latencyMs, undefined, { signal });
      await sendAnswer(res, await route(pool, request), signal);
    }
  } catch (error) {
    if (signal.aborted) return;
    console.error('local Cognito:', error);
    if (!res.headersSent) res.writeHead(500).end();
  }
}

function hostname({ headers: { host = '' } }) {
  return host.replace(/:\d+$/, '');
}

function record(pool, { method, path, query, headers, form, at }) {
  pool.requests.push({ method, path, query: Object.fromEntries(query), headers, form: form && Object.fromEntries(form), at });
}

async function route(pool, request) {
  const { method, path } = request;
  const issuers = [`/${pool.poolId}`, `/issuer/${pool.poolId}`];
  if (issuers.some((issuer) => path === `${issuer}/.well-known/jwks.json`)) return jwks(pool);
  if (issuers.some((issuer) => path === `${issuer}/.well-known/openid-configuration`)) return discovery(pool);
  switch (path) {
    case '/oauth2/authorize': return method === 'GET' ? authorize(pool, request) : methodNotAllowed('GET');
    case '/login': return login(pool, request);
    case '/oauth2/token': return token(pool, request);
    case '/oauth2/revoke': return revoke(pool, request);
    case '/oauth2/userInfo': return userInfo(pool, request);
    case '/logout': return logout(pool, request);
    case '/error': return errorEndpoint(pool, request);
    case '/redirected/jwks.json':
    case '/redirected/token': return redirected(pool, request);
    default: return { status: 404, headers: { 'content-type': 'text/plain' }, body: 'Not here. This is the local Cognito; its switches are at /_control.\n' };
  }
}
