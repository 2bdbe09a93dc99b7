// What no other file tests: randomness, what reaches the store and Cognito, line breaks, odd targets, and that no request decides what is
// configuration.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import path from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { FAULTY, NAVIGATION, OWN_SCRIPT, PUBLIC_URL, ROOT, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';

const HOUR = 3600;
const FIVE_DAYS = 432_000;

const site = await startOrigin({ '/': { body: 'the site' }, '/app/': { body: 'the app' }, '/public/page': { body: 'a page' } });
const RULES = JSON.stringify([{ path: '/', allow: 'public' }, { path: '/public/*', allow: 'public' }, { path: '/*', allow: 'signed-in' }]);
const gateway = await startGateway({ main: FAULTY, vars: { ORIGIN_URL: site.origin, RULES } });
after(async () => {
  await gateway.close();
  site.close();
});
beforeEach(async () => {
  await gateway.allWell();
  site.requests.length = 0;
});

describe('randomness', () => {
  /** So many that a bit which is always the same among them is no accident (1 in 10⁹ for all bits together). */
  const MANY = 40;

  function assertRandom(values) {
    assert.equal(values.length, MANY);
    const all = values.map((bytes) => BigInt(`0x${bytes.toString('hex')}`));
    assert.equal(new Set(all).size, MANY);
    for (const bytes of values) assert.equal(bytes.length, 32);
    const ones = all.reduce((seen, value) => seen | value, 0n);
    const zeros = all.reduce((seen, value) => seen & value);
    assert.equal(ones.toString(2), '1'.repeat(256), 'a bit that is never 1');
    assert.equal(zeros, 0n, 'a bit that is always 1');
  }

  test('state, nonce and verifier of forty logins are 256 bits each, none twice, and no bit of them stands still', async () => {
    const seen = { state: [], nonce: [] };
    for (let index = 0; index < MANY; index += 1) {
      const browser = gateway.browser();
      const { searchParams } = new URL(await browser.beginLogin());
      for (const name of ['state', 'nonce']) seen[name].push(searchParams.get(name));
      // Nobody gave this code, but the verifier goes with it.
      await browser.arrive(`/auth/callback?code=${randomUUID()}&state=${searchParams.get('state')}`);
    }
    seen.verifier = gateway.asked('/oauth2/token').map(({ form }) => form.code_verifier);
    for (const values of Object.values(seen)) {
      for (const value of values) assert.match(value, /^[\w-]{43}$/);
      assertRandom(values.map((value) => Buffer.from(value, 'base64url')));
    }
    assert.equal(new Set(Object.values(seen).flat()).size, 3 * MANY, 'one is made of another');
  });

  test('session ids of forty logins are 256 random bits each, none twice', async () => {
    const secrets = [];
    for (let index = 0; index < MANY; index += 1) {
      const { session } = await gateway.signedIn();
      assert.match(session, /^[\w-]{64}$/);
      secrets.push(Buffer.from(session, 'base64url').subarray(16));
    }
    assertRandom(secrets);
  });
});

test('a cookie that is no session id never reaches the store', async () => {
  const askAll = async (cookie) => {
    await gateway.setWorld({}); // forgets the operations up to here
    const headers = { cookie };
    for (const path of ['/user-info', '/auth/status', '/app/']) await gateway.browser().script(path, { headers });
    await gateway.browser().navigate('/app/', headers);
    for (const path of ['/auth/refresh', '/auth/logout']) await gateway.browser().post(path, undefined, headers);
    return gateway.setWorld({});
  };
  for (const value of [
    '', 'x', 'A'.repeat(63), 'A'.repeat(65), 'A'.repeat(5000), `${'A'.repeat(63)}=`, `${'A'.repeat(62)}==`, `${'A'.repeat(63)}+`, `${'A'.repeat(63)}/`,
    `${'A'.repeat(63)}.`, `${'A'.repeat(63)} `, `"${'A'.repeat(62)}"`, `${'A'.repeat(61)}%41`, randomUUID(), '../ended/x', 'session/a/b',
  ]) {
    assert.deepEqual(await askAll(`edgegate-session=${value}`), [], value);
  }
  assert.ok((await askAll(`edgegate-session=${'A'.repeat(64)}`)).includes('get'), 'one that could be is looked up');
});

test('a made-up session id costs the store no write, however it is sent', async () => {
  await gateway.setWorld({});
  for (const cookie of ['A'.repeat(64), randomBytes(48).toString('base64url')]) {
    const browser = gateway.browser();
    browser.cookies.set('edgegate-session', cookie);
    const answer = await browser.copy().post('/auth/logout');
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).success, true);
    await browser.navigate('/app/');
    assert.deepEqual((await gateway.setWorld({})).filter((operation) => operation !== 'get'), []);
    await browser.signIn(); // a login that finds such a cookie writes its own record and nothing else
    assert.deepEqual((await gateway.setWorld({})).filter((operation) => operation !== 'get'), ['put']);
  }
});

test('signing out again and again with one cookie writes once', async () => {
  const stolen = (await gateway.signedIn()).copy();
  await gateway.setWorld({});
  for (let round = 0; round < 5; round += 1) assert.equal((await stolen.copy().post('/auth/logout')).status, 200);
  assert.deepEqual((await gateway.setWorld({})).filter((operation) => operation !== 'get').sort(), ['delete', 'put']);
});

test('a record that the store keeps for too long is no session all the same', async () => {
  const browser = await gateway.signedIn();
  const kv = await gateway.kv();
  for (const name of await gateway.sessionKeys()) await kv.put(name, await kv.get(name)); // no expiry at all
  await gateway.passTime(FIVE_DAYS - 10);
  assert.equal((await browser.script('/user-info')).status, 200);
  await gateway.passTime(20);
  await gateway.newIsolate();
  await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
  await assertErrorJson(await browser.post('/auth/refresh'), 401, 'session_expired');
  assert.equal((await browser.navigate('/app/')).status, 302);
  assert.ok((await gateway.sessionKeys()).length > 0, 'the record is still there');
});

test('asks Cognito for tokens, revocations and the key set, and for nothing else', async () => {
  await gateway.newIsolate();
  await gateway.passTime(301); // the key set is fetched anew
  gateway.cognito.requests.length = 0;
  const browser = await gateway.signedIn();
  for (const path of ['/user-info', '/auth/status', '/app/', '/config', '/healthz', '/readyz']) await browser.script(path);
  await browser.post('/auth/refresh', { force: true });
  await gateway.fetch('/user-info', { headers: { authorization: `Bearer ${gateway.cognito.mint('id')}` } });
  await browser.post('/auth/logout');
  await eventually(() => gateway.asked('/oauth2/revoke').length > 0, 'a revocation');
  const byBrowser = ({ headers }) => headers.accept?.includes('text/html');
  const asked = new Set(gateway.cognito.requests.filter((request) => !byBrowser(request)).map(({ path }) => path));
  const { pathname } = new URL(gateway.cognito.issuer);
  assert.deepEqual([...asked].sort(), [`${pathname}/.well-known/jwks.json`, '/oauth2/revoke', '/oauth2/token'].sort());
});

test('a throttled refresh waits for as long as Cognito asks', async () => {
  const browser = await gateway.signedIn();
  await gateway.passTime(HOUR + 1);
  gateway.cognito.set({ tokenFault: '429', retryAfterSecs: 60 });
  const first = await browser.script('/user-info');
  assert.equal(first.headers.get('retry-after'), '60');
  await assertErrorJson(first, 503, 'idp_throttled');
  await gateway.passTime(55);
  await assertErrorJson(await browser.script('/user-info'), 503, 'idp_throttled');
  assert.equal(gateway.refreshes().length, 1);
  await gateway.passTime(10);
  await assertErrorJson(await browser.script('/user-info'), 503, 'idp_throttled');
  assert.equal(gateway.refreshes().length, 2);
});

test('a callback that fails shows neither code nor state and loads nothing', async () => {
  for (const { switches = {}, code = randomUUID(), more = '' } of [
    { switches: { tokenError: 'invalid_grant' } }, { switches: { tokenFault: '500' } }, { switches: { badSignature: 'id' } },
    { more: '&code=second-code-5d1e' }, { more: '&iss=https://evil.example' }, { more: '&error=access_denied' },
  ]) {
    gateway.cognito.set(switches);
    const browser = gateway.browser().hasRetried();
    const state = new URL(await browser.beginLogin('/app/')).searchParams.get('state');
    const response = await browser.arrive(`/auth/callback?code=${code}&state=${state}${more}`);
    const status = response.status;
    const page = await response.clone().text();
    await assertErrorPage(response, status, /id="error-code">(\w+)</.exec(page)[1]);
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    const all = page + JSON.stringify([...response.headers]);
    for (const secret of [code, state, 'second-code']) assert.equal(all.includes(secret), false, secret);
    assert.doesNotMatch(page, /<(?:script|img|link|iframe|object|embed|video|audio|base|meta http-equiv)|\bsrc=|url\(|@import/i);
    for (const [, href] of page.matchAll(/href="([^"]*)"/g)) assert.match(href, /^\/(?!\/)/, 'a link elsewhere');
    await gateway.allWell();
  }
});

test('where signing out leads is not the request\'s to say', async () => {
  const evil = { logout_uri: 'https://evil.example/', redirect_uri: 'https://evil.example/', client_id: 'other', return_to: '//evil.example' };
  const plain = await (await gateway.browser().post('/auth/logout')).json();
  assert.equal(new URL(plain.logoutUrl).origin, gateway.cognito.origin);
  const headers = { 'x-forwarded-host': 'evil.example', 'x-original-url': '//evil.example', referer: 'https://evil.example/' };
  const asked = await gateway.browser().post(`/auth/logout?${new URLSearchParams(evil)}`, evil, headers);
  assert.deepEqual(await asked.json(), plain);
  const form = await gateway.browser().send(`/auth/logout?${new URLSearchParams(evil)}`, {
    method: 'POST', body: String(new URLSearchParams(evil)),
    headers: { ...NAVIGATION, ...headers, 'content-type': 'application/x-www-form-urlencoded', origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin' },
  });
  assert.equal(form.status, 303);
  assert.equal(form.headers.get('location'), plain.logoutUrl);
});

describe('a line break', () => {
  const FORGED = '{"level":"error","message":"forged","code":"forged"}';
  const BREAKS = { raw: '\r\n', encoded: '%0d%0a', 'encoded twice': '%250d%250a', 'of another kind': '\u2028', 'of a lone LF': '\n', 'of a lone CR': '\r' };
  const value = (lineBreak, rest) => encodeURIComponent(`/app/${lineBreak}${rest}`);
  const PLACES = {
    'the return path': (lineBreak, rest) => gateway.browser().navigate(`/auth/login?return_to=${value(lineBreak, rest)}`),
    'the query of the return path': (lineBreak, rest) => gateway.browser().navigate(`/auth/login?return_to=${value(`?x=${lineBreak}`, rest)}`),
    'a hint': (lineBreak, rest) => gateway.browser().navigate(`/auth/login?login_hint=${value(lineBreak, rest)}`),
    'the state': (lineBreak, rest) => gateway.browser().arrive(`/auth/callback?code=a&state=${value(lineBreak, rest)}`),
    'an error of Cognito': (lineBreak, rest) => gateway.browser().arrive(`/auth/callback?error=${value(lineBreak, rest)}&state=s`),
    'a gated path': (lineBreak, rest) => gateway.browser().navigate(`/app/${encodeURIComponent(lineBreak + rest)}`),
    'the query of a gated path': (lineBreak, rest) => gateway.browser().navigate(`/app/?x=${value(lineBreak, rest)}`),
    'a body': (lineBreak, rest) => gateway.browser().post('/auth/token', { code: lineBreak + rest, state: lineBreak + rest }),
    'a token': (lineBreak, rest) => gateway.fetch('/user-info', { headers: { authorization: `Bearer ${value(lineBreak, rest)}` } }),
  };
  /** Headers that an answer of ours may have. */
  const KNOWN = new Set([
    'access-control-allow-credentials', 'access-control-allow-origin', 'access-control-expose-headers', 'cache-control', 'content-language', 'content-length', 'content-security-policy',
    'content-type', 'cross-origin-opener-policy', 'cross-origin-resource-policy', 'date', 'location', 'referrer-policy', 'set-cookie',
    'transfer-encoding', 'connection', 'keep-alive', 'vary', 'www-authenticate', 'x-content-type-options',
  ]);

  for (const [place, ask] of Object.entries(PLACES)) {
    test(`a line break in ${place} adds no header`, async () => {
      for (const [kind, lineBreak] of Object.entries(BREAKS)) {
        const response = await ask(lineBreak, 'Set-Cookie:injected=1');
        assert.ok(response.status < 500, `${response.status} for ${kind}`);
        for (const [name, sent] of response.headers) {
          assert.ok(KNOWN.has(name), `${name}: ${sent}`);
          assert.doesNotMatch(sent, /[\r\n\u2028]/, name);
        }
        for (const line of response.headers.getSetCookie()) assert.match(line, /^edgegate-(login-[\w-]+|return-[\w-]+|sign-in-retry)=[\w.-]*; Path=\/; /, kind);
      }
    });

    test(`a line break in ${place} adds no log line`, async () => {
      const count = async () => (await gateway.logs()).filter(({ message }) => message === 'request').length;
      for (const [kind, lineBreak] of Object.entries(BREAKS)) {
        const before = await count();
        await ask(lineBreak, FORGED);
        assert.equal(await count(), before + 1, `one line a request (${kind})`);
      }
      // The path is there in its field, on one line.
      const lines = (await gateway.logs()).map(({ path, ...line }) => line);
      assert.doesNotMatch(JSON.stringify(lines), /forged/);
      for (const { message } of gateway.server.getLogs()) assert.doesNotMatch(String(message), /[\r\n\u2028\u2029]/);
    });
  }
});

describe('what a request is for', () => {
  /** The request line as given; Node and the runtime tidy nothing before. */
  const raw = (target, headers = {}) => new Promise((resolve, reject) => {
    const { hostname, port } = gateway.address;
    const sent = httpRequest({ hostname, port, path: target, headers: { host: 'localhost:8787', accept: '*/*', ...headers } }, (received) => {
      received.resume();
      received.on('end', () => resolve(received));
    });
    sent.on('error', reject);
    sent.end();
  });

  test('reaches the origin when nothing is odd about it', async () => {
    assert.equal((await raw('/public/page')).statusCode, 200);
    assert.deepEqual(site.requests.map(({ url }) => url), ['/public/page']);
  });

  for (const target of [
    'http://evil.example/public/page', 'https://evil.example/public/page', '//evil.example/public/page', '///evil.example/public/page',
    '/\\evil.example/public/page', '\\\\evil.example/public/page', '/public/@evil.example', '/@evil.example/public/page',
    '/public/page@evil.example:80/', 'http://localhost:8787@evil.example/public/page', 'http://evil.example#@localhost:8787/public/page',
    '/public/http://evil.example/', '/public/https:/evil.example', '/.//evil.example/public/page', '/public/..//evil.example/',
    '/public/%2f%2fevil.example/', '/public/page?url=http://evil.example/', '/public/page?@evil.example', '.evil.example/public/page',
    ':80@evil.example/public/page', '@evil.example/public/page',
  ]) {
    test(`the target ${target} stays at the configured origin or is refused`, async () => {
      for (const host of ['localhost:8787', 'evil.example']) {
        site.requests.length = 0;
        // A request that is not even HTTP may be cut off by the runtime.
        const answer = await raw(target, { host }).catch((error) => ({ statusCode: 400, headers: {}, error }));
        const { statusCode, headers: { location } } = answer;
        assert.ok(statusCode < 500, `${statusCode}`);
        // What is asked beyond loopback fails the whole file (Gateway.close).
        for (const { headers, url } of site.requests) {
          assert.equal(headers.host, site.host);
          assert.equal(headers['x-forwarded-host'], 'localhost:8787');
          assert.match(url, /^\/(?!\/)/);
        }
        if (location) assert.equal(new URL(location, PUBLIC_URL).origin, PUBLIC_URL, location);
      }
    });
  }
});

describe('scripts of other pages', () => {
  test('no answer is a script: a callback parameter changes nothing', async () => {
    const browser = await gateway.signedIn();
    for (const path of ['/config', '/user-info', '/auth/status', '/healthz']) {
      const plain = await (await browser.script(path)).json();
      for (const parameter of ['callback', 'jsonp', 'cb', '_callback']) {
        const response = await browser.script(`${path}?${parameter}=alert`);
        assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
        assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
        assert.deepEqual(await response.json(), plain);
      }
    }
  });

  test('neither the gateway nor the app speaks to other windows', () => {
    const files = ['static', 'src'].flatMap((folder) => readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)));
    assert.ok(files.length > 40);
    for (const file of files) {
      assert.doesNotMatch(readFileSync(file, 'utf8'), /postMessage|BroadcastChannel|window\.opener|document\.domain|\beval\(/, file);
    }
  });
});

test('the README tells how long sessions live, what tabs share and what Cognito\'s cookie does', () => {
  const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8').replaceAll(/\s+/g, ' ');
  for (const said of [
    /`SESSION_TTL_SECS` \| `432000` \(5 days\)/, /`SESSION_IDLE_SECS` \| none/, /within the refresh token's/, /out within one access-token life/,
    /Two tabs may sign in at once; the browser keeps the last session/, /\*\*Cognito's cookie\*\* lives for an hour/, /end-sessions/,
  ]) assert.ok(said.test(readme), String(said));
});

test('signing in, being refused and signing out each leave a line that names the session and nothing else of it', async () => {
  const last = async (route) => (await gateway.logs()).findLast((line) => line.message === 'request' && line.route === route);
  const before = new Set(await gateway.sessionKeys());
  const browser = await gateway.signedIn();
  const [key] = (await gateway.sessionKeys()).filter((name) => !before.has(name));
  const name = key.split('/')[2].slice(0, 8);
  const { level, status, session, request_id: id } = await last('callback');
  assert.deepEqual({ level, status, session }, { level: 'info', status: '303', session: name });
  assert.match(id, /^[0-9a-f]{16}$/);

  const stolen = browser.copy();
  await browser.post('/auth/logout');
  const signedOut = await last('logout');
  assert.deepEqual([signedOut.status, signedOut.session], ['200', name]);
  await stolen.script('/user-info');
  const ended = await last('user-info');
  assert.deepEqual([ended.code, ended.session], ['session_expired', name]);

  const stranger = gateway.browser().hasRetried();
  await stranger.beginLogin();
  await stranger.arrive(`/auth/callback?code=${randomUUID()}&state=other`);
  const refused = await last('callback');
  assert.deepEqual([refused.code, refused.reason, refused.session], ['state_mismatch', 'flow_missing', undefined]);
});

test('a script that is refused is told where to sign in, and nothing begins', async () => {
  const response = await gateway.fetch('/app/', { headers: OWN_SCRIPT });
  assert.deepEqual(response.headers.getSetCookie(), []);
  assert.equal(response.headers.get('location'), null);
  assert.equal((await assertErrorJson(response, 401, 'session_required')).loginUrl, `${PUBLIC_URL}/auth/login`);
});
