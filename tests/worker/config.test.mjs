// Configuration in the real runtime: whatever is wrong is named in the log and nothing is served; what is public is at /config; and
// what follows from the public URL's scheme.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { createTestHarness } from 'wrangler';

import { assertErrorJson, assertOwnHeaders, setCookies } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { baseConfig, NAVIGATION, OWN_SCRIPT, startGateway, WITHOUT_SECRETS } from '../support/gateway.mjs';

const APP = 'https://app.example.com';
const KEY = 'v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';

/** The least that works. */
const LEAST = {
  PUBLIC_URL: APP,
  COGNITO_USER_POOL_ID: 'us-east-1_AbCdEf123',
  COGNITO_CLIENT_ID: '1example23456789abcdefghij',
  COGNITO_DOMAIN: 'https://auth.example.com',
  SESSION_KEYS: KEY,
};
const FULL = {
  ...LEAST,
  COGNITO_ISSUER: 'https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123',
  COGNITO_CLIENT_SECRET: 'abcdefghijklmnopqrstuvwxyz012345',
  REDIRECT_URI: `${APP}/signed-in.html`,
  LOGOUT_URI: `${APP}/bye`,
  SCOPES: 'openid email',
  SESSION_TTL_SECS: '86400',
  SESSION_IDLE_SECS: '7200',
  OUTAGE_GRACE_SECS: '0',
  GUARD_SECS: '5',
  BROWSER_TOKENS: 'none',
  API_URL: 'https://api.example.com/v1',
  WS_URL: 'wss://ws.example.com',
  ORIGIN_URL: 'https://d111111abcdef8.cloudfront.net',
  ORIGIN_SECRET: 'known-to-the-origin-alone',
  ALLOWED_ORIGINS: 'https://admin.example.com, https://www.example.com',
  RULES: '[{"path":"/signed-in.html","allow":"public"},{"path":"/admin/*","allow":{"groups":["admin"]}}]',
  SPA_FALLBACK: '/index.html',
  ROUTES: '[{"path":"/api/*","to":"https://api.example.com/prod"}]',
  KEEP_FRAGMENT: 'true',
};

/** Each of these, alone, is wrong. `null` leaves the variable out. */
const WRONG = {
  PUBLIC_URL: [
    null, '', 'app.example.com', 'http://app.example.com', `${APP}/path`, 'https://user@app.example.com', 'https://APP.example.com',
    `${APP}:443`,
  ],
  COGNITO_USER_POOL_ID: [null, 'AbCdEf123', 'us-east-1_', 'us-east-1_A/../b'],
  COGNITO_CLIENT_ID: [null, 'has space'],
  COGNITO_DOMAIN: [null, 'auth.example.com', 'http://auth.example.com', 'https://auth.example.com/login'],
  COGNITO_ISSUER: ['http://issuer.example.com/pool', 'https://issuer.example.com/pool/', 'https://issuer.example.com/pool?x'],
  COGNITO_CLIENT_SECRET: ['short', 'twenty-four-characters-but-dashes'],
  REDIRECT_URI: ['/auth/callback', 'https://evil.example/auth/callback', `${APP}/auth/other`, `${APP}/gated.html`, `${APP}/config`],
  LOGOUT_URI: ['/', 'http://app.example.com/', `${APP}/#x`],
  SCOPES: ['email', 'openid offline_access', 'openid  email'],
  SESSION_KEYS: [null, 'v1', 'v1:AAAA', `v1:${'A'.repeat(43)}=`, `v1:${Buffer.alloc(32, 0x41).toString('base64')}`, `${KEY},${KEY}`],
  SESSION_TTL_SECS: ['59', '2592001', '5d', '-1'],
  SESSION_IDLE_SECS: ['59', 'x'],
  OUTAGE_GRACE_SECS: ['3601', '-1'],
  GUARD_SECS: ['0', '31', 'ten'],
  BROWSER_TOKENS: ['all', 'ACCESS'],
  API_URL: ['api.example.com', 'http://api.example.com'],
  WS_URL: ['https://ws.example.com', 'ws://ws.example.com'],
  ORIGIN_URL: ['http://d1.cloudfront.net', 'https://d1.cloudfront.net/path'],
  ORIGIN_SECRET: ['fifteen-letters', 'has a space within', ' sixteen-letters!', 'sixteen-letters!\r\nX-User: forged', 'x'.repeat(257)],
  ALLOWED_ORIGINS: ['*', 'null', 'https://*.example.com', 'https://a.example.com,'],
  RULES: [
    '{}', '[{"path":"/a"}]', '[{"path":"a","allow":"public"}]', '[{"path":"/a","allow":"everyone"}]',
    '[{"path":"/a","allow":{"groups":[]}}]', '[{"path":"/%61","allow":"public"}]',
  ],
  SPA_FALLBACK: ['index.html', '/auth/login'],
  ROUTES: ['{}', '[{"path":"/api/*","to":"http://api.example.com"}]', '[{"path":"/.well-known/*","to":"https://api.example.com"}]'],
  KEEP_FRAGMENT: ['yes', 'TRUE', 1],
};
const LIMITS = {
  SESSION_TTL_SECS: ['60', '2592000', 432000], SESSION_IDLE_SECS: ['60'], OUTAGE_GRACE_SECS: ['0', '3600', 600],
  GUARD_SECS: ['1', '30', 10],
  ORIGIN_SECRET: ['sixteen-letters!', 'x'.repeat(256)],
  RULES: [[{ path: '/a', allow: 'public' }]],
  BROWSER_TOKENS: ['access', 'none', ''],
  KEEP_FRAGMENT: ['false', true, ''],
};

// One harness with a Worker for each case: an isolate of its own each, at the price of one start.
const workers = new Map();
const define = (name, vars, { without = [] } = {}) => {
  const config = {
    ...baseConfig(), name: `case-${workers.size}`, vars: Object.fromEntries(Object.entries(vars).filter(([, value]) => value !== null)),
  };
  if (without.includes('SESSIONS')) delete config.kv_namespaces;
  if (without.includes('ASSETS')) delete config.assets;
  workers.set(name, config);
  return name;
};
const title = (name, value) => `${name} ${value === null ? 'left out' : `= ${typeof value === 'string' ? value : JSON.stringify(value)}`}`;

for (const [name, values] of Object.entries(WRONG)) for (const value of values) define(title(name, value), { ...LEAST, [name]: value });
for (const [name, values] of Object.entries(LIMITS)) for (const value of values) define(`good: ${title(name, value)}`, { ...LEAST, [name]: value });
define('least', LEAST);
define('full', FULL);
define('local', { ...LEAST, PUBLIC_URL: 'http://localhost:8787' });
define('all wrong', Object.fromEntries(Object.keys(WRONG).map((name) => [name, 'SeCrEt VaLuE !'])));
define('no SESSIONS', LEAST, { without: ['SESSIONS'] });
define('no ASSETS', LEAST, { without: ['ASSETS'] });
define('no ASSETS but an origin', { ...LEAST, ORIGIN_URL: FULL.ORIGIN_URL }, { without: ['ASSETS'] });
define('nothing at all', {}, { without: ['SESSIONS', 'ASSETS'] });

const server = createTestHarness({ root: WITHOUT_SECRETS, workers: [...workers.values()].map((config) => ({ config })) });
await server.listen();
const https = await startGateway({ vars: { PUBLIC_URL: APP } });
after(() => Promise.all([server.close(), https.close()]));

const ask = (name, path, init = {}) => server.getWorker(workers.get(name).name).fetch(`${APP}${path}`, { redirect: 'manual', ...init });

/** What the log of one request says is wrong. */
async function problemsAt(name, path = '/healthz') {
  server.clearLogs();
  const response = await ask(name, path);
  await eventually(() => server.getLogs().length > 0, 'a line'); // which may take longer than the answer
  const lines = server.getLogs().map(({ message }) => ({ ...JSON.parse(message), text: message }));
  return { response, lines: lines.filter(({ message }) => message === 'config_invalid') };
}

describe('alone it fails every request, and the log names it, not its value:', () => {
  for (const [variable, values] of Object.entries(WRONG)) {
    for (const value of values) {
      const name = title(variable, value);
      test(name, async () => {
        for (const path of ['/healthz', '/readyz', '/', '/config', '/assets/app.js', '/auth/login', '/user-info', '/auth/nothing']) {
          await assertErrorJson(await ask(name, path), 500, 'config_invalid');
        }
        const { lines } = await problemsAt(name);
        assert.deepEqual(lines.map((line) => line.variable), [variable]);
        const [{ wanted, example, level, text }] = lines;
        assert.ok(wanted.length > 5 && example.length > 0);
        assert.equal(level, 'error');
        if (typeof value === 'string' && value.length > 8) {
          const asExample = example.includes(value) || wanted.includes(value);
          assert.ok(asExample || !text.includes(value), 'the value is in the log');
        }
      });
    }
  }
});

describe('what is wrong is named', () => {
  test('all at once, at the first request, without one value', async () => {
    const { lines } = await problemsAt('all wrong');
    assert.deepEqual(lines.map(({ variable }) => variable).sort(), Object.keys(WRONG).sort());
    assert.doesNotMatch(lines.map(({ text }) => text).join(), /SeCrEt/);
  });

  test('at every request again', async () => {
    await problemsAt('all wrong');
    const { lines } = await problemsAt('all wrong', '/');
    assert.equal(lines.length, Object.keys(WRONG).length);
  });

  test('by an answer that asks for https like any other, if that is how the request came', async () => {
    for (const headers of [OWN_SCRIPT, NAVIGATION]) {
      const response = await ask('all wrong', '/', { headers });
      assert.equal(response.status, 500);
      assertOwnHeaders(response);
      assert.equal(response.headers.get('strict-transport-security'), 'max-age=31536000');
      const plain = await server.getWorker(workers.get('all wrong').name).fetch('http://localhost:8787/', { headers });
      assert.equal(plain.headers.get('strict-transport-security'), null);
    }
  });

  for (const [name, expected] of Object.entries({
    'no SESSIONS': ['SESSIONS'],
    'no ASSETS': ['ASSETS'],
    'nothing at all': ['COGNITO_CLIENT_ID', 'COGNITO_DOMAIN', 'COGNITO_USER_POOL_ID', 'PUBLIC_URL', 'SESSIONS', 'SESSION_KEYS'],
  })) {
    test(`with ${name}: ${expected.join(', ')}`, async () => {
      const { response, lines } = await problemsAt(name);
      await assertErrorJson(response, 500, 'config_invalid');
      assert.deepEqual(lines.map(({ variable }) => variable).sort(), expected);
    });
  }
});

describe('a configuration works', () => {
  for (const [variable, values] of Object.entries(LIMITS)) {
    for (const value of values) {
      test(`with ${title(variable, value)}`, async () => {
        const { response, lines } = await problemsAt(`good: ${title(variable, value)}`);
        assert.equal(response.status, 200);
        assert.deepEqual(await response.json(), { status: 'ok' });
        assert.deepEqual(lines, []);
      });
    }
  }

  for (const name of ['least', 'full', 'local', 'no ASSETS but an origin']) {
    test(`that is ${name}`, async () => {
      const { response } = await problemsAt(name);
      assert.equal(response.status, 200);
    });
  }
});

describe('/config', () => {
  test('has its five members, all there, null when unset', async () => {
    assert.deepEqual(await (await ask('least', '/config')).json(), {
      apiUrl: null, wsUrl: null, cognitoDomain: 'https://auth.example.com', redirectUri: `${APP}/auth/callback`,
      clientId: '1example23456789abcdefghij',
    });
    assert.deepEqual(await (await ask('full', '/config')).json(), {
      apiUrl: 'https://api.example.com/v1', wsUrl: 'wss://ws.example.com', cognitoDomain: 'https://auth.example.com',
      redirectUri: `${APP}/signed-in.html`,
      clientId: '1example23456789abcdefghij',
    });
  });

  test('says nothing of the secret, the keys or the origin', async () => {
    const response = await ask('full', '/config');
    const text = JSON.stringify([...response.headers]) + await response.text();
    for (const hidden of [FULL.COGNITO_CLIENT_SECRET, FULL.ORIGIN_SECRET, KEY, KEY.slice(3), 'cloudfront', 'AbCdEf123']) assert.equal(text.includes(hidden), false);
  });

  test('may be cached, and is JSON to everybody', async () => {
    for (const headers of [OWN_SCRIPT, NAVIGATION]) {
      const response = await ask('least', '/config', { headers });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
      assert.match(response.headers.get('cache-control'), /^public, max-age=[1-9]\d*$/);
      assertOwnHeaders(response, { cacheControl: response.headers.get('cache-control') });
    }
  });
});

describe('an answer of the gateway', () => {
  const ROUTES = ['/healthz', '/auth/login', '/auth/callback?code=a&state=b', '/auth/status', '/user-info', '/auth/nothing', '/app/', '/a%2fb'];

  for (const name of ['least', 'local']) {
    test(`is not stored, sniffed, framed or told about, and has HSTS only on https (${name})`, async () => {
      for (const path of ROUTES) {
        for (const headers of [OWN_SCRIPT, NAVIGATION]) {
          const response = await ask(name, path, { headers });
          assertOwnHeaders(response);
          const hsts = response.headers.get('strict-transport-security');
          if (name === 'local') assert.equal(hsts, null, path);
          else assert.match(hsts ?? '', /^max-age=(?:31536000|[4-9]\d{7}|\d{9,})$/, path);
        }
      }
    });
  }
});

describe('on https the cookies', () => {
  const SECURE = (maxAge) => ['HttpOnly', `Max-Age=${maxAge}`, 'Path=/', 'SameSite=Lax', 'Secure'];

  test('have the prefix __Host- and Secure, and the plain names mean nothing', async () => {
    const browser = https.browser();
    const login = await browser.navigate('/auth/login');
    const [[flow, { attributes }]] = setCookies(login);
    assert.match(flow, /^__Host-login-[\w-]{16}$/);
    assert.deepEqual(attributes, SECURE(3600));

    const arrived = await browser.arrive(await browser.authenticate(login.headers.get('location')));
    assert.equal(arrived.status, 303);
    const cookies = setCookies(arrived);
    assert.deepEqual([...cookies.keys()].sort(), [flow, '__Host-session', '__Host-sign-ins'].sort());
    assert.deepEqual(cookies.get('__Host-session').attributes, SECURE(432_000));
    assert.deepEqual(cookies.get(flow).attributes, SECURE(30));
    assert.equal((await browser.script('/user-info')).status, 200);

    const plain = await https.browser().script('/user-info', { headers: { cookie: `edgegate-session=${browser.session}` } });
    await assertErrorJson(plain, 401, 'session_required');

    const logout = await browser.post('/auth/logout');
    assert.deepEqual(setCookies(logout).get('__Host-session'), { value: '', attributes: SECURE(0) });
  });

  test('can be used from the https origin only: the same host on http is another', async () => {
    for (const [origin, status, readableBy] of [[APP, 200, APP], ['http://app.example.com', 403, null]]) {
      const response = await ask('least', '/auth/logout', { method: 'POST', headers: { origin } });
      assert.equal(response.status, status);
      assert.equal(response.headers.get('access-control-allow-origin'), readableBy);
    }
  });

  test('belong to the public URL, and so do redirect URI, login and logout', async () => {
    const browser = https.browser();
    assert.equal(new URL(await browser.beginLogin()).searchParams.get('redirect_uri'), `${APP}/auth/callback`);
    assert.equal((await assertErrorJson(await browser.script('/user-info'), 401, 'session_required')).loginUrl, `${APP}/auth/login`);
    const { logoutUrl } = await (await browser.post('/auth/logout')).json();
    assert.equal(new URL(logoutUrl).searchParams.get('logout_uri'), `${APP}/`);
  });
});
