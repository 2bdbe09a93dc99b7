// Advisories about other gateways and proxies, as cases: headers, paths and user agents that opened a site without a login, request
// targets that chose another upstream, sessions that an attacker planted, and identities read out of an e-mail address.

import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage } from '../support/answers.mjs';
import { NAVIGATION, OWN_SCRIPT, PUBLIC_URL, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';
import { getRaw, sendRaw } from '../support/raw.mjs';
import { startThief } from '../support/thief.mjs';

const RULES = JSON.stringify([
  { path: '/public/*', allow: 'public' }, { path: '/admin/*', allow: { groups: ['admin', 'example.com'] } }, { path: '/*', allow: 'signed-in' },
]);
const HOST = new URL(PUBLIC_URL).host;
const page = { headers: { 'content-type': 'text/plain' }, body: 'the page' };
const site = await startOrigin({ '/public/page': page, '/public/': page, '/app/page': page, '/admin/page': page });
const [thief, gateway] = await Promise.all([startThief(), startGateway({ vars: { ORIGIN_URL: site.origin, RULES } })]);
after(async () => {
  await gateway.close();
  site.close();
  thief.close();
});

const nobody = gateway.browser();
const alice = await gateway.signedIn();

beforeEach(async () => {
  await gateway.allWell();
  site.requests.length = 0;
});

const lines = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
const assertOriginNotAsked = () => assert.deepEqual(site.requests.map(({ url }) => url), []);
const onlyRequest = () => {
  assert.equal(site.requests.length, 1, 'one request to the origin');
  return site.requests[0];
};

/** What a gated path answers to somebody who is not signed in, as a page and as a script, and nothing else. */
async function assertGated(path, headers = {}) {
  const navigation = await nobody.navigate(path, headers);
  assert.equal(navigation.status, 302, JSON.stringify(headers));
  assert.equal(navigation.headers.get('location'), `/auth/login?return_to=${encodeURIComponent(path)}`);
  await assertErrorJson(await nobody.script(path, { headers }), 401, 'session_required');
  assertOriginNotAsked();
}

describe('a login is not skipped', () => {
  const ELSEWHERE = [
    'X-Forwarded-Uri', 'X-Forwarded-Path', 'X-Forwarded-Prefix', 'X-Original-URL', 'X-Original-URI', 'X-Original-Path', 'X-Rewrite-URL',
    'X-Override-URL', 'X-HTTP-DestinationURL', 'X-Forwarded-Request-Uri', 'X-Envoy-Original-Path', 'X-Auth-Request-Redirect', 'Referer',
  ];

  test('by a header that names a public path: X-Forwarded-Uri, X-Original-URL, X-Rewrite-URL and the like', async () => {
    for (const name of ELSEWHERE) {
      for (const value of ['/public/page', '/auth/callback', '/healthz', `${PUBLIC_URL}/public/page`]) {
        await assertGated('/app/page', { [name]: value });
      }
    }
  });

  test('by a header that names a gated path beside a public one: the origin gets the public path, and no such header', async () => {
    for (const name of ELSEWHERE.slice(0, 7)) {
      site.requests.length = 0;
      assert.equal((await nobody.script('/public/page', { headers: { [name]: '/app/page' } })).status, 200);
      const { url, headers } = onlyRequest();
      assert.equal(url, '/public/page');
      assert.equal(headers[name.toLowerCase()], undefined, name);
    }
  });

  test('by a # in the request target: what comes before it is the path, for the rules and for the origin', async () => {
    for (const target of ['/app/page#/public/page', '/app/#/public/page', '/app/page#', '/app/page?#/public/page', '/#/../public/page']) {
      const response = await getRaw(gateway, target, lines(NAVIGATION));
      assert.equal(response.status, 302, target);
      assert.match(response.header('location'), /^\/auth\/login\?return_to=%2F/);
      assert.equal((await getRaw(gateway, target, lines(OWN_SCRIPT))).status, 401, target);
    }
    assertOriginNotAsked();
    for (const target of ['/public/page#/../../app/page', '/public/#/../../app/page']) {
      site.requests.length = 0;
      assert.equal((await getRaw(gateway, target)).status, 200, target);
      assert.equal(onlyRequest().url, target.split('#')[0]);
    }
    assert.equal((await getRaw(gateway, '/public/%23/../../app/page')).status, 401);
  });

  test('by the user agent of a health check', async () => {
    for (const agent of ['GoogleHC/1.0', 'kube-probe/1.31', 'ELB-HealthChecker/2.0', 'Amazon-Route53-Health-Check-Service', 'Googlebot/2.1']) {
      await assertGated('/app/page', { 'user-agent': agent });
      await assertGated('/', { 'user-agent': agent });
    }
  });

  test('by the path of a health check of other gateways', async () => {
    for (const path of ['/ping', '/ready', '/robots.txt', '/oauth2/auth', '/oauth2/userinfo', '/oauth2/static/x', '/metrics']) {
      await assertGated(path);
    }
  });

  test('by an address that somebody trusts: X-Forwarded-For, X-Real-IP and the like', async () => {
    for (const name of ['X-Forwarded-For', 'X-Real-IP', 'X-Client-IP', 'True-Client-IP', 'X-ProxyUser-IP', 'Forwarded', 'X-Originating-IP']) {
      await assertGated('/app/page', { [name]: name === 'Forwarded' ? 'for=127.0.0.1;host=localhost' : '127.0.0.1' });
    }
  });

  test('by a header that says who it is: X-Forwarded-User, X-Auth-Request-Email, Remote-User, X-Forwarded-Access-Token', async () => {
    for (const name of ['X-Forwarded-User', 'X-Forwarded-Email', 'X-Auth-Request-Email', 'X-User', 'Remote-User', 'X-Forwarded-Groups']) {
      await assertGated('/app/page', { [name]: 'alice@example.com' });
    }
    await assertGated('/app/page', { 'X-Forwarded-Access-Token': gateway.cognito.mint('access') });
    await assertGated('/app/page', { Authorization: `Bearer ${gateway.cognito.mint('access')}` });
    await assertGated('/app/page', { Authorization: `Basic ${btoa('alice@example.com:Passw0rd!')}` });
  });

  test('by a method: preflight, override headers, HEAD, and methods nobody knows', async () => {
    const preflight = { origin: PUBLIC_URL, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' };
    const leave = await gateway.fetch('/app/page', { method: 'OPTIONS', headers: { ...OWN_SCRIPT, ...preflight } });
    assert.deepEqual([leave.status, await leave.text()], [204, ''], 'leave to ask, and nothing of the page');
    await assertGated('/app/page', preflight);
    for (const method of ['HEAD', 'POST', 'PROPFIND', 'TRACE', 'PURGE', 'get']) {
      const response = await gateway.fetch('/app/page', { method, headers: { ...OWN_SCRIPT, ...preflight } });
      assert.ok([400, 401].includes(response.status), `${method} ${response.status}`);
    }
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) await assertGated('/app/page', { [name]: 'OPTIONS' });
    assertOriginNotAsked();
  });

  test('by an upgrade to a WebSocket', async () => {
    const response = await getRaw(gateway, '/app/page', [
      'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13',
    ], { connection: 'Upgrade' });
    assert.equal(response.status, 401);
    assertOriginNotAsked();
  });

  test('by the name of an internal subrequest: x-middleware-subrequest, CF-Worker, CDN-Loop', async () => {
    for (const [name, value] of Object.entries({
      'X-Middleware-Subrequest': 'middleware:middleware:middleware:middleware:middleware', 'CF-Worker': 'example.com', 'CDN-Loop': 'cloudflare',
      'Sec-Fetch-Site': 'same-origin', 'Sec-Purpose': 'prefetch',
    })) {
      await assertErrorJson(await nobody.script('/app/page', { headers: { [name]: value } }), 401, 'session_required');
    }
    assertOriginNotAsked();
  });
});

describe('no request target chooses another upstream or another site', () => {
  afterEach(() => thief.assertNotAsked());

  test('in absolute form: the path counts, the host is the configured origin\'s', async () => {
    for (const prefix of [
      `http://${thief.host}`, `https://${thief.host}`, `http://localhost:8787@${thief.host}`, 'http://169.254.169.254', 'ftp://x', 'http://[::1]:1',
    ]) {
      site.requests.length = 0;
      assert.equal((await getRaw(gateway, `${prefix}/public/page`)).status, 200, prefix);
      assert.equal(onlyRequest().headers.host, site.host);
      assert.equal(onlyRequest().headers['x-forwarded-host'], HOST);
      assert.equal((await getRaw(gateway, `${prefix}/app/page`)).status, 401, prefix);
      assert.equal(site.requests.length, 1);
    }
  });

  test('that could be read as a host is refused: //host, /\\host, @host, a URL in the path', async () => {
    const { host } = thief;
    for (const target of [
      `//${host}/public/page`, `///${host}/public/page`, `/\\${host}/public/page`, `\\\\${host}\\public`, `@${host}/public/page`,
      `.${host}/public/page`, `:80@${host}/public/page`, `public/page`, `/public/http://${host}/`, `/public//${host}/`, '*', '', 'http:///public/page',
    ]) {
      const response = await getRaw(gateway, target);
      assert.ok(response.status >= 400, `${target} ${response.status}`);
      assert.equal(response.header('location'), null);
    }
    assertOriginNotAsked();
  });

  test('with @ in its path stays a path', async () => {
    assert.equal((await getRaw(gateway, `/@${thief.host}/public/page`)).status, 401);
    assertOriginNotAsked();
    await getRaw(gateway, `/public/@${thief.host}`);
    assert.equal(onlyRequest().url, `/public/@${thief.host}`);
  });

  test('by its Host, X-Forwarded-Host, X-Forwarded-Server or Forwarded', async () => {
    for (const headers of [
      { host: thief.host }, { 'x-forwarded-host': thief.host }, { 'x-forwarded-server': thief.host }, { 'x-host': thief.host },
      { forwarded: `host=${thief.host}` }, { 'x-forwarded-port': '81' }, { 'x-forwarded-proto': 'gopher' },
    ]) {
      site.requests.length = 0;
      const { host, ...others } = headers;
      assert.equal((await getRaw(gateway, '/public/page', lines(others), { host: host ?? HOST })).status, 200);
      assert.equal(onlyRequest().headers.host, site.host);
      assert.equal(onlyRequest().headers['x-forwarded-host'], HOST);
    }
  });

  test('with two hosts, none, CONNECT or TRACE reaches anything', async () => {
    for (const request of [
      ['GET /app/page HTTP/1.1', `Host: ${HOST}`, `Host: ${thief.host}`], ['GET /app/page HTTP/1.1'],
      [`CONNECT ${thief.host} HTTP/1.1`, `Host: ${thief.host}`], ['TRACE /public/page HTTP/1.1', `Host: ${HOST}`, 'X-Probe: echoed'],
    ]) {
      const response = await sendRaw(gateway, [...request, 'Connection: close']);
      assert.ok(response.status >= 400, request[0]);
      assert.doesNotMatch(response.body, /echoed/);
    }
    assertOriginNotAsked();
  });

  test('sends a browser off the site: no Location but ours and Cognito\'s', async () => {
    for (const target of [
      '/evil.example', '/%09/evil.example', '/.evil.example', '/@evil.example', '/app/?//evil.example',
      '/auth/login?return_to=//evil.example',
      '/auth/login?return_to=https://evil.example', '/auth/login?return_to=%5C%5Cevil.example', '/auth/login?rd=https://evil.example',
      '/auth/callback?error=access_denied&return_to=https://evil.example', '/auth/logout?rd=https://evil.example',
    ]) {
      for (const host of [HOST, 'evil.example']) {
        const location = (await getRaw(gateway, target, lines(NAVIGATION), { host })).header('location');
        if (location === null) continue;
        assert.ok([PUBLIC_URL, gateway.cognito.origin].includes(new URL(location, PUBLIC_URL).origin), `${target} ${location}`);
      }
    }
  });
});

describe('session fixation: an attacker\'s own session in the victim\'s browser', () => {
  test('is replaced at the login by a new one that the attacker does not know, and ends', async () => {
    const attacker = await gateway.signedIn({ email: 'bob@example.com' });
    const planted = attacker.session;
    const victim = gateway.browser();
    victim.cookies.set('edgegate-session', planted);
    await victim.signIn();
    assert.notEqual(victim.session, planted);
    assert.notEqual(victim.session.slice(0, 21), planted.slice(0, 21), 'not even the part that names the user');
    assert.equal((await (await victim.script('/user-info')).json()).email, 'alice@example.com');
    await assertErrorJson(await attacker.script('/user-info'), 401, 'session_expired');
  });

  test('has another id after every login, also of the same person in the same browser', async () => {
    const browser = gateway.browser();
    const ids = new Set();
    for (let login = 1; login <= 4; login += 1) {
      const before = browser.copy();
      await browser.signIn();
      assert.equal(ids.has(browser.session), false);
      ids.add(browser.session);
      if (before.session) await assertErrorJson(await before.script('/user-info'), 401, 'session_expired');
    }
  });

  test('cannot be made up: the tag of a user with another secret opens nothing', async () => {
    const secret = Buffer.concat([Buffer.from(alice.session, 'base64url').subarray(0, 16), Buffer.alloc(32, 7)]).toString('base64url');
    await assertErrorJson(await gateway.browser().script('/user-info', { headers: { cookie: `edgegate-session=${secret}` } }), 401, 'session_expired');
    for (const place of ['/user-info?session=', '/app/page?session=', '/user-info;session=']) {
      const response = await gateway.browser().script(`${place}${alice.session}`);
      assert.ok([400, 401].includes(response.status), place);
    }
    const header = { 'x-session': alice.session, 'set-cookie': `edgegate-session=${alice.session}` };
    await assertErrorJson(await gateway.browser().script('/user-info', { headers: header }), 401, 'session_required');
  });
});

describe('an e-mail address with more than one @', () => {
  const TAG = /^session\/([\w-]{22})\//;
  const tagsOf = async () => (await gateway.sessionKeys()).map((name) => TAG.exec(name)[1]);

  async function signedInAs(claims) {
    await gateway.emptyKv();
    gateway.cognito.set({ idClaims: claims });
    const browser = gateway.browser();
    await browser.signIn('/', { email: 'bob@example.com' });
    return browser;
  }

  test('is passed on as it is, with email_verified as it was said', async () => {
    for (const email of ['attacker@evil.example@example.com', '"admin@example.com"@evil.example', 'admin@example.com\u0000@evil.example', '@@']) {
      const browser = await signedInAs({ email, email_verified: false });
      const info = await (await browser.script('/user-info')).json();
      assert.deepEqual([info.email, info.email_verified, info.groups], [email, false, []]);
    }
  });

  test('opens no rule: groups come from cognito:groups alone', async () => {
    for (const claims of [
      { email: 'admin@evil.example@example.com' }, { email: 'admin', groups: ['admin'] }, { email: 'x@example.com', 'custom:groups': ['admin'] },
      { 'cognito:groups': 'admin' }, { 'cognito:groups': { admin: true } }, { 'cognito:groups': ['Admin', ' admin', 'admin,'] },
      { 'cognito:roles': ['admin'] },
    ]) {
      const browser = await signedInAs(claims);
      await assertErrorPage(await browser.navigate('/admin/page'), 403, 'forbidden');
    }
    assertOriginNotAsked();
  });

  test('is nobody\'s identity: the same sub is the same user under any address, and the same address under another sub is another', async () => {
    const browser = await signedInAs({ email: 'one@a@example.com', 'cognito:username': 'one' });
    const [tag] = await tagsOf();
    await browser.script('/user-info');
    await signedInAs({ email: 'two@example.com', 'cognito:username': 'two' });
    assert.deepEqual(await tagsOf(), [tag]);
    gateway.cognito.set({ accessClaims: { sub: 'another-person' } });
    await signedInAs({ email: 'one@a@example.com', 'cognito:username': 'one', sub: 'another-person' });
    const [other, ...more] = await tagsOf();
    assert.deepEqual(more, []);
    assert.notEqual(other, tag);
  });
});
