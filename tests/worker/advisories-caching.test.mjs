// Caches between gateway and browser, as published against other sites: a shared cache that keeps somebody's cookie or gated page,
// and addresses that make it take an answer for a style sheet.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { setCookies } from '../support/answers.mjs';
import { NAVIGATION, OWN_SCRIPT, PUBLIC_URL, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';

const RULES = JSON.stringify([
  { path: '/public/*', allow: 'public' }, { path: '/signed-in.html', allow: 'public' }, { path: '/admin/*', allow: { groups: ['nobody'] } },
]);
const SHARED = ['cdn-cache-control', 'cloudflare-cdn-cache-control', 'surrogate-control', 'expires'];
/** Set per test. */
let answered = { status: 200, headers: {} };
const answer = (request, response) => {
  response.writeHead(answered.status, { 'content-type': 'text/css', ...answered.headers });
  response.end(request.method === 'HEAD' || answered.status === 304 ? undefined : 'a{}');
};
const site = await startOrigin({ '/app/x.css': answer, '/public/x.css': answer, '/signed-in.html': answer });
const gateway = await startGateway({ vars: { ORIGIN_URL: site.origin, RULES } });
after(async () => {
  await gateway.close();
  site.close();
});

const nobody = gateway.browser();
const alice = await gateway.signedIn();

beforeEach(async () => {
  await gateway.allWell();
  answered = { status: 200, headers: {} };
  site.requests.length = 0;
});

const directivesOf = (headers) => (headers.get('cache-control') ?? '').toLowerCase().split(',').map((item) => item.trim());

/** No cache but the browser's own may keep it. */
function assertNotShared({ headers }, what) {
  const directives = directivesOf(headers);
  assert.ok(directives.includes('private') || directives.includes('no-store'), `${what}: ${headers.get('cache-control')}`);
  assert.equal(directives.some((item) => /^(public|s-maxage)\b/.test(item)), false, `${what}: ${headers.get('cache-control')}`);
  for (const name of SHARED) assert.equal(headers.get(name), null, `${what}: ${name}`);
}

describe('an answer that the gateway makes', () => {
  async function atCallback(browser) {
    return browser.authenticate(await browser.beginLogin());
  }
  const signedInAnd = (use) => async () => use(await gateway.signedIn());
  /** Every kind of answer; those of the first table set or clear a cookie. */
  const WITH_COOKIE = {
    'the start of a login': () => gateway.browser().navigate('/auth/login'),
    'its end': async () => gateway.browser().signIn(),
    'its end in another browser tab': async () => {
      const browser = await gateway.signedIn();
      return browser.arrive(await atCallback(browser));
    },
    'its end for a page of the app': async () => {
      const browser = gateway.browser();
      const { searchParams } = new URL(await atCallback(browser));
      return browser.post('/auth/token', { code: searchParams.get('code'), state: searchParams.get('state') });
    },
    'its end when it was cancelled': () => gateway.browser().signIn('/', { cancel: true }),
    'its end when the code is refused': async () => {
      const browser = gateway.browser();
      return browser.arrive((await atCallback(browser)).replace(/code=[^&]*/, 'code=wrong'));
    },
    'its end when the tokens are refused': async () => {
      gateway.cognito.set({ badSignature: 'id' });
      return gateway.browser().signIn();
    },
    'its end when it is ambiguous': async () => {
      const browser = gateway.browser();
      return browser.arrive(`${await atCallback(browser)}&code=x`);
    },
    'a callback without a login': () => gateway.browser().arrive('/auth/callback?code=a&state=b'),
    'a logout': signedInAnd((browser) => browser.post('/auth/logout')),
    'a logout by a form': signedInAnd((browser) => browser.postForm('/auth/logout')),
    'a logout of nobody': () => gateway.browser().post('/auth/logout'),
  };
  const WITHOUT = {
    'user info': () => alice.script('/user-info'),
    'user info of nobody': () => nobody.script('/user-info'),
    'user info by bearer token': () => nobody.script('/user-info', { headers: { authorization: `Bearer ${gateway.cognito.mint('id')}` } }),
    'the status': () => alice.script('/auth/status'),
    'a token': () => alice.post('/auth/refresh'),
    'a renewed token': signedInAnd((browser) => browser.post('/auth/refresh', { force: true })),
    'a refused token': () => nobody.post('/auth/refresh'),
    'the way to the login': () => nobody.navigate('/app/x.css'),
    'a 401': () => nobody.script('/app/x.css'),
    'a 403': () => alice.navigate('/admin/x.css'),
    'a 404': () => alice.navigate('/auth/x.css'),
    'a 405': () => alice.script('/public/x.css', { method: 'POST' }),
    'a 400': () => alice.navigate('/public/%2fx.css'),
    'a 413': () => alice.script('/auth/token', { method: 'POST', body: 'x'.repeat(17_000), headers: { 'content-type': 'application/json' } }),
    'a 414': () => alice.navigate(`/public/x.css?${'x'.repeat(9000)}`),
    'a 431': () => gateway.fetch('/public/x.css', { headers: { cookie: `x=${'x'.repeat(33_000)}` } }),
    'another site\'s form': () => alice.post('/auth/logout', undefined, { origin: 'https://evil.example' }),
    'a prefetch of the login': () => nobody.navigate('/auth/login', { 'sec-purpose': 'prefetch' }),
    'a preflight': () => gateway.fetch('/user-info', { method: 'OPTIONS', headers: { origin: PUBLIC_URL, 'access-control-request-method': 'GET' } }),
    'a HEAD': () => alice.script('/user-info', { method: 'HEAD' }),
    'health': () => nobody.script('/healthz'),
    'readiness': () => nobody.script('/readyz'),
    'the way to the public URL': () => gateway.fetch('http://127.0.0.1:8787/app/x.css', { headers: NAVIGATION }),
  };

  test('and that sets or clears a cookie is kept by nobody', async () => {
    for (const [what, ask] of Object.entries(WITH_COOKIE)) {
      await gateway.allWell();
      const response = await ask();
      assert.ok(setCookies(response).size > 0, `${what} has a cookie`);
      assert.equal(response.headers.get('cache-control'), 'no-store', what);
      assertNotShared(response, what);
    }
  });

  test('and that sets none is kept by nobody either', async () => {
    for (const [what, ask] of Object.entries(WITHOUT)) {
      const response = await ask();
      assert.equal(setCookies(response).size, 0, `${what} has no cookie`);
      assert.equal(response.headers.get('cache-control'), 'no-store', what);
      assertNotShared(response, what);
    }
  });

  test('and that is public, /config, is the same for everybody and sets no cookie', async () => {
    const texts = new Set();
    for (const browser of [nobody, alice]) {
      const response = await browser.script('/config');
      assert.match(response.headers.get('cache-control'), /^public, max-age=/);
      assert.deepEqual(response.headers.getSetCookie(), []);
      texts.add(await response.text());
    }
    assert.equal(texts.size, 1);
  });
});

describe('a gated answer of the origin is for the browser alone,', () => {
  const CACHING = {
    'public, s-maxage': { 'cache-control': 'public, s-maxage=600' },
    'in capitals and odd spaces': { 'cache-control': 'PUBLIC ,S-MaxAge = 600,max-age=60' },
    'private and public': { 'cache-control': 'private, public, s-maxage=600' },
    'in two lines': { 'cache-control': ['private', 'public, s-maxage=600'] },
    'private for one header': { 'cache-control': 'private="set-cookie", s-maxage=600' },
    'immutable': { 'cache-control': 'max-age=31536000, immutable, s-maxage=31536000, stale-while-revalidate=600' },
    'every word to shared caches': {
      'cache-control': 'public, s-maxage=600', 'CDN-Cache-Control': 'public, max-age=600', 'Cloudflare-CDN-Cache-Control': 'max-age=600',
      'Surrogate-Control': 'max-age=600, content="ESI/1.0"', expires: 'Thu, 01 Jan 2099 00:00:00 GMT', pragma: 'public', age: '5',
    },
    'shared caches alone': { 'CDN-Cache-Control': 'max-age=600', 'cloudflare-cdn-cache-control': 'max-age=600', 'Surrogate-Control': 'max-age=600' },
    'Expires alone': { expires: 'Thu, 01 Jan 2099 00:00:00 GMT' },
    'a cookie with it': { 'cache-control': 'public, s-maxage=600', 'set-cookie': ['theme=dark; Path=/', 'edgegate-session=evil; Path=/'] },
    'nothing': {},
  };

  test('whatever its headers say to caches, whatever its status, for GET and HEAD', async () => {
    for (const [what, headers] of Object.entries(CACHING)) {
      for (const status of [200, 206, 301, 304, 404, 410, 500]) {
        for (const method of ['GET', 'HEAD']) {
          answered = { status, headers };
          const response = await alice.script('/app/x.css', { method });
          assert.equal(response.status, status);
          assertNotShared(response, `${what} ${status} ${method}`);
          const again = directivesOf(response.headers).some((item) => ['no-cache', 'no-store'].includes(item));
          const varies = (response.headers.get('vary') ?? '').toLowerCase().split(/\s*,\s*/).includes('cookie');
          assert.ok(again || varies, `${what}: what the browser keeps is bound to the cookie`);
          assert.equal(response.headers.getSetCookie().some((line) => line.startsWith('edgegate-session=')), false);
        }
      }
    }
  });

  test('and one that nobody may read is the gateway\'s own, whatever the origin would say', async () => {
    answered.headers = CACHING['every word to shared caches'];
    for (const browser of [nobody, gateway.browser()]) {
      const response = await browser.script('/app/x.css');
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assertNotShared(response);
    }
    assert.deepEqual(site.requests, []);
  });

  test('and the page that is the redirect URI is kept by nobody, with or without a code in its address', async () => {
    const page = await startGateway({ vars: { ORIGIN_URL: site.origin, RULES, REDIRECT_URI: `${PUBLIC_URL}/signed-in.html` } });
    try {
      answered.headers = CACHING['every word to shared caches'];
      for (const query of ['', '?code=a&state=b', '?x.css']) {
        const response = await page.fetch(`/signed-in.html${query}`, { headers: NAVIGATION });
        assert.equal(response.headers.get('cache-control'), 'no-store');
        assertNotShared(response);
      }
    } finally {
      await page.close();
    }
  });
});

describe('web-cache deception: an address that looks like a style sheet', () => {
  const PERSONAL = /alice|a1c30000|eyJ|"authenticated"|access_token|clientId/;

  /** For the owner of the session, at whom the attack is aimed, as a page load, a script and a POST. */
  async function assertNothingPersonal(path, statuses) {
    for (const ask of [() => alice.navigate(path), () => alice.script(path), () => alice.post(path)]) {
      const response = await ask();
      assert.ok(statuses.includes(response.status), `${path} ${response.status}`);
      assert.doesNotMatch(await response.clone().text(), PERSONAL, path);
      assertNotShared(response, path);
      assert.deepEqual(response.headers.getSetCookie(), [], path);
    }
  }

  test('below a route of ours is 404 and kept by nobody', async () => {
    for (const path of [
      '/user-info/x.css', '/user-info/.css', '/user-info/', '/auth/token.js', '/auth/token/x.js', '/auth/refresh/a.js', '/auth/refresh.css',
      '/auth/status/x.css', '/auth/status.css', '/auth/login.js', '/auth/callback/x.css', '/auth/logout.png', '/config/x.js', '/config/',
      '/healthz/x.css', '/readyz/x.ico', '/auth/%78.css', '/%75ser-info/x.css', '/public/../user-info/x.css',
    ]) await assertNothingPersonal(path, [404]);
    assert.deepEqual(site.requests, []);
  });

  test('that another server could read differently is 400 and kept by nobody', async () => {
    for (const path of [
      '/user-info%2fx.css', '/user-info;x.css', '/auth/status;x.css', '/auth/status%3bx.css', '/user-info%00.css', '/user-info%0ax.css',
      '/user-info%5cx.css', '/auth/refresh%2fa.js', '/user-info/..%2fpublic/x.css', '/public/..%2fuser-info', '/user-info//x.css',
      '//user-info', '/user-info%252fx.css', '/user-info%3fx.css', '/user-info%23x.css',
    ]) await assertNothingPersonal(path, [400]);
    assert.deepEqual(site.requests, []);
  });

  test('that only begins like a route of ours, or leads away from it, is the site, for the browser alone', async () => {
    for (const path of ['/user-info.css', '/configuration.js', '/user-info/../app/x.css', '/user-info/%2e%2e/app/x.css']) {
      await assertNothingPersonal(path, [200, 404, 405]);
      const { status } = await nobody.script(path);
      assert.equal(status, 401, path);
    }
  });

  test('in the query of a route of ours changes nothing: the answer is kept by nobody', async () => {
    for (const path of ['/user-info?x.css', '/user-info?/x.css', '/auth/status?.js', '/user-info?']) {
      const response = await alice.script(path);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assertNotShared(response, path);
    }
  });

  test('with a header that a cache takes for its key and we do not: no answer differs by it', async () => {
    const plain = await (await alice.script('/auth/status')).json();
    for (const headers of [
      { 'x-forwarded-host': 'evil.example' }, { 'x-forwarded-scheme': 'http' }, { 'x-original-url': '/x.css' }, { 'x-forwarded-port': '1' },
    ]) {
      assert.deepEqual(await (await alice.script('/auth/status', { headers })).json(), plain);
      const config = await nobody.script('/config', { headers });
      assert.doesNotMatch(await config.text(), /evil/);
      const login = await gateway.browser().navigate('/auth/login', headers);
      assert.doesNotMatch(login.headers.get('location'), /evil/);
    }
    assert.equal((await gateway.fetch('/app/x.css', { headers: { ...OWN_SCRIPT, 'x-original-url': '/public/x.css' } })).status, 401);
  });
});
