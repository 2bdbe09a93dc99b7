// The site from an origin (ORIGIN_URL): what reaches it, what comes back, and what is changed on the way.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

import { assertErrorJson, assertErrorPage } from '../support/answers.mjs';
import { FAULTY, NAVIGATION, PUBLIC_URL, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';

/** A type that the test harness does not pack anew on its way, so that bytes can be compared. */
const BYTES = 'application/octet-stream';
const ZIPPED = gzipSync('edgegate '.repeat(1000));
const MUCH_LATER = 'Thu, 01 Jan 2099 00:00:00 GMT';
const COOKIES = [
  'theme=dark; Path=/', 'edgegate-session=evil; Path=/', 'edgegate-login-abcdefghijklmnop=evil; Path=/', '__Host-session=evil; Secure; Path=/',
  '__host-SESSION=evil; Secure; Path=/',
  '__Host-login-a=evil; Secure; Path=/', '=edgegate-session=evil', '=__Host-session=evil; Secure; Path=/', 'other=a=b; Path=/app; HttpOnly', 'session=mine',
];
const SIBLING = 'https://admin.example.com';
/** Set per test. */
let answerHeaders = {};
let release;

const both = (name, route) => [[`/public/${name}`, route], [`/app/${name}`, route]];
const site = await startOrigin(Object.fromEntries([
  ...both('page', (request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', ...answerHeaders });
    response.end(request.method === 'HEAD' ? undefined : 'the page');
  }),
  ...both('zipped', { headers: { 'content-type': BYTES, 'content-encoding': 'gzip', 'content-length': ZIPPED.length, etag: '"z"' }, body: ZIPPED }),
  ...both('range', (request, response) => {
    response.writeHead(206, {
      'content-type': BYTES, 'content-range': 'bytes 2-5/10', 'content-length': 4, 'accept-ranges': 'bytes',
      'x-asked': request.headers.range,
    });
    response.end('2345');
  }),
  ...both('etag', (request, response) => {
    response.writeHead(request.headers['if-none-match'] === '"v1"' ? 304 : 200, { etag: '"v1"', 'cache-control': 'max-age=60' });
    response.end(request.headers['if-none-match'] === '"v1"' ? undefined : 'v1');
  }),
  ...both('cookies', { headers: { 'set-cookie': COOKIES, 'content-type': 'text/plain' }, body: 'cookies' }),
  ...both('error', { status: 500, headers: { 'content-type': 'text/plain' }, body: "the origin's own error" }),
  ...both('moved', (request, response) => {
    const { searchParams } = new URL(request.url, site.origin);
    response.writeHead(Number(searchParams.get('status') ?? 302), { location: searchParams.get('to') });
    response.end();
  }),
  ['/signed-in.html', {
    headers: { 'content-type': 'text/html', 'cache-control': 'public, max-age=600', 'cdn-cache-control': 'max-age=600', expires: MUCH_LATER },
    body: 'signing in',
  }],
  ['/public/silent', () => {}],
  ['/public/long', (request, response) => {
    response.writeHead(200, { 'content-type': BYTES });
    response.write('begin ');
    release = () => response.end('end');
  }],
]));
const RULES = JSON.stringify([
  { path: '/signed-in.html', allow: 'public' }, { path: '/public/*', allow: 'public' }, { path: '/*', allow: 'signed-in' },
]);
const gateway = await startGateway({
  main: FAULTY, vars: { ORIGIN_URL: site.origin, REDIRECT_URI: `${PUBLIC_URL}/signed-in.html`, RULES, ALLOWED_ORIGINS: SIBLING },
});
after(async () => {
  await gateway.close();
  site.close();
});

// These two take their time beside the other tests.
const timed = async (path) => {
  const began = Date.now();
  return { response: await gateway.fetch(path, { headers: NAVIGATION }), ms: Date.now() - began };
};
const silent = timed('/public/silent');
const long = timed('/public/long');
const elevenSeconds = sleep(11_000);

const nobody = gateway.browser();
const alice = await gateway.signedIn();

beforeEach(() => {
  answerHeaders = {};
  site.requests.length = 0;
});

const lastAsked = () => {
  assert.equal(site.requests.length, 1, 'one request to the origin');
  return site.requests[0];
};

describe('what reaches the origin', () => {
  const SENT = {
    accept: 'text/plain', 'accept-language': 'ko', 'user-agent': 'test', 'if-modified-since': 'Mon, 01 Jan 2024 00:00:00 GMT',
    'x-custom': 'kept', referer: `${PUBLIC_URL}/app/`,
    dnt: '1', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin',
  };
  /** The runtime's own; what it says is not ours. */
  const RUNTIME = ['accept-encoding', 'cf-worker', 'connection', 'cf-connecting-ip', 'cf-ray', 'cf-visitor', 'cache-control', 'pragma'];

  const headersAtOrigin = () => {
    const { headers } = lastAsked();
    return Object.fromEntries(Object.entries(headers).filter(([name]) => !RUNTIME.includes(name)));
  };

  test('is what the browser sent, the origin as Host, and who asked for what', async () => {
    assert.equal((await nobody.send('/public/page', { headers: SENT })).status, 200);
    assert.deepEqual(headersAtOrigin(), {
      ...SENT, host: site.host, 'x-forwarded-host': 'localhost:8787', 'x-forwarded-proto': 'http', 'x-forwarded-for': '127.0.0.1',
    });
  });

  test('is path and query as they were written', async () => {
    for (const path of ['/public/page?x=%2F%20&y=a+b&z', '/public/a%20b%C3%A9', '/public/%61', '/public/?', '/public/page?code=a&state=b']) {
      site.requests.length = 0;
      await nobody.script(path);
      assert.equal(lastAsked().url, path.replace(/\?$/, ''));
    }
  });

  test('is no cookie of the gateway, in any case, and every other cookie', async () => {
    const ours = `edgegate-session=${alice.session}; edgegate-login-abcdefghijklmnop=x; __Host-session=y; __Host-login-a=z; __HOST-SESSION=w`;
    const cookie = `theme=dark; ${ours}; lang=ko; session=mine; login-x=mine`;
    await nobody.send('/public/page', { headers: { cookie } });
    assert.equal(headersAtOrigin().cookie, 'theme=dark; lang=ko; session=mine; login-x=mine');
    site.requests.length = 0;
    await alice.script('/app/page');
    assert.equal(headersAtOrigin().cookie, undefined);
  });

  for (const name of [
    'Authorization', 'X-Auth-Request-User', 'X-Auth-Token', 'X-User', 'X-User-Id', 'X-UserInfo', 'X_User_Id', 'X-Forwarded-User',
    'X-Forwarded-Email', 'X-Forwarded-Groups',
    'X-Forwarded-Preferred-Username', 'X-Forwarded-Access-Token', 'X_Forwarded_User', 'Forwarded', 'Proxy-Authorization', 'Keep-Alive',
    'TE', 'X-Real-IP', 'True-Client-IP', 'X-Client-IP', 'X-Host', 'X-Envoy-Original-Path', 'X-MS-Client-Principal-Id',
    'X-Goog-Authenticated-User-Id', 'Cf-Access-Authenticated-User-Email', 'CF_Connecting_IP',
  ]) {
    test(`is no ${name} of a client`, async () => {
      for (const [browser, path] of [[nobody, '/public/page'], [alice, '/app/page']]) {
        site.requests.length = 0;
        await browser.script(path, { headers: { [name]: 'Bearer forged' } });
        assert.doesNotMatch(JSON.stringify(lastAsked().headers), /forged/);
      }
    });
  }

  test('is our word on host, scheme and address, not the client\'s', async () => {
    await nobody.script('/public/page', {
      headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'gopher', 'x-forwarded-for': '6.6.6.6' },
    });
    const headers = headersAtOrigin();
    assert.equal(headers['x-forwarded-host'], 'localhost:8787');
    assert.equal(headers['x-forwarded-proto'], 'http');
    assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  });

  test('is asked of the configured origin, whatever host the request names', async () => {
    const response = await gateway.fetch('http://evil.example/public/page', { headers: { accept: '*/*' } });
    assert.equal(response.status, 200);
    const { headers } = lastAsked();
    assert.equal(headers.host, site.host);
    assert.equal(headers['x-forwarded-host'], 'localhost:8787');
  });

  test('is a HEAD for a HEAD', async () => {
    const response = await nobody.script('/public/page', { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), '');
    assert.equal(lastAsked().method, 'HEAD');
  });

  test('is the OPTIONS of a public path, whose answer the site gives', async () => {
    answerHeaders = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'x-own', allow: 'GET, HEAD, OPTIONS' };
    const asked = { origin: 'https://evil.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-own' };
    const response = await nobody.script('/public/page', { method: 'OPTIONS', headers: asked });
    assert.equal(response.status, 200);
    for (const [name, value] of Object.entries(answerHeaders)) assert.equal(response.headers.get(name), value);
    assert.equal(lastAsked().method, 'OPTIONS');
    for (const [name, value] of Object.entries(asked)) assert.equal(headersAtOrigin()[name], value);
  });

  test('is no other method, no gated path of a stranger, and no path of ours', async () => {
    await assertErrorJson(await alice.script('/app/page', { method: 'OPTIONS' }), 405, 'method_not_allowed');
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      await assertErrorJson(await nobody.script('/public/page', { method }), 405, 'method_not_allowed');
      await assertErrorJson(await alice.script('/app/page', { method }), 405, 'method_not_allowed');
    }
    await assertErrorJson(await nobody.script('/app/page'), 401, 'session_required');
    await assertErrorJson(await alice.script('/auth/page'), 404, 'not_found');
    await assertErrorJson(await alice.script('/public/..%2fapp/page'), 400, 'invalid_request');
    assert.deepEqual(site.requests, []);
  });
});

describe('what comes back', () => {
  for (const [browser, at] of [[nobody, '/public'], [alice, '/app']]) {
    test(`is a packed body byte for byte (${at})`, async () => {
      const response = await browser.script(`${at}/zipped`, { headers: { 'accept-encoding': 'gzip' } });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-encoding'), 'gzip');
      assert.equal(response.headers.get('etag'), '"z"');
      assert.ok(ZIPPED.equals(Buffer.from(await response.arrayBuffer())));
    });

    test(`is a part for a Range (${at})`, async () => {
      const response = await browser.script(`${at}/range`, { headers: { range: 'bytes=2-5' } });
      assert.equal(response.status, 206);
      assert.equal(response.headers.get('content-range'), 'bytes 2-5/10');
      assert.equal(response.headers.get('x-asked'), 'bytes=2-5');
      assert.equal(await response.text(), '2345');
    });

    test(`is 304 for an ETag that is known (${at})`, async () => {
      const fresh = await browser.script(`${at}/etag`);
      assert.equal(fresh.headers.get('etag'), '"v1"');
      const response = await browser.script(`${at}/etag`, { headers: { 'if-none-match': '"v1"' } });
      assert.equal(response.status, 304);
      assert.equal(response.headers.get('etag'), '"v1"');
      assert.equal(await response.text(), '');
    });

    test(`is the origin's own error (${at})`, async () => {
      const error = await browser.script(`${at}/error`);
      assert.equal(error.status, 500);
      assert.equal(await error.text(), "the origin's own error");
      assert.equal((await browser.script(`${at}/none`)).status, 404);
    });

    test(`is no cookie under a name of the gateway, and every other cookie as it was (${at})`, async () => {
      const response = await browser.script(`${at}/cookies`);
      assert.deepEqual(response.headers.getSetCookie(), ['theme=dark; Path=/', 'other=a=b; Path=/app; HttpOnly', 'session=mine']);
    });

    test(`is a redirect, not followed, and to the public URL where it named the origin (${at})`, async () => {
      for (const [to, expected] of [
        [`${site.origin}/public/page?x#y`, `${PUBLIC_URL}/public/page?x#y`],
        [`//${site.host}/public/page`, `${PUBLIC_URL}/public/page`],
        [site.origin.replace('http', 'HTTP'), `${PUBLIC_URL}/`],
        ['/public/page', '/public/page'],
        ['page', 'page'],
        ['https://elsewhere.example/', 'https://elsewhere.example/'],
        [`http://${site.host}.evil.example/`, `http://${site.host}.evil.example/`],
      ]) {
        for (const status of [301, 302, 303, 307, 308]) {
          site.requests.length = 0;
          const response = await browser.script(`${at}/moved?status=${status}&to=${encodeURIComponent(to)}`);
          assert.equal(response.status, status);
          assert.equal(response.headers.get('location'), expected);
          lastAsked();
        }
      }
    });
  }

  test('goes out untouched where everybody may read it', async () => {
    answerHeaders = {
      'cache-control': 'public, max-age=60, s-maxage=600', 'cdn-cache-control': 'max-age=600',
      'cloudflare-cdn-cache-control': 'max-age=600', 'surrogate-control': 'max-age=600',
      expires: MUCH_LATER, vary: 'Accept', 'x-amz-cf-id': 'abc', 'content-security-policy': "default-src 'self'",
    };
    const { headers } = await nobody.script('/public/page');
    for (const [name, value] of Object.entries(answerHeaders)) assert.equal(headers.get(name), value, name);
  });

  for (const [sent, wanted] of Object.entries({
    '': ['private'],
    'public': ['private'],
    'public, max-age=60': ['private', 'max-age=60'],
    'max-age=60, s-maxage=600': ['private', 'max-age=60'],
    'no-store': ['no-store'],
    'private, max-age=5': ['private', 'max-age=5'],
    'private="x-y", max-age=5': ['private', 'max-age=5'],
    'PUBLIC, Max-Age=60': ['private', 'max-age=60'],
    'immutable, max-age=31536000': ['private', 'max-age=31536000', 'immutable'],
  })) {
    test(`is private where a session was needed: Cache-Control "${sent}"`, async () => {
      answerHeaders = sent === '' ? {} : { 'cache-control': sent };
      const { headers } = await alice.script('/app/page');
      const directives = headers.get('cache-control').toLowerCase().split(',').map((item) => item.trim());
      for (const directive of wanted) assert.ok(directives.includes(directive), headers.get('cache-control'));
      assert.ok(!directives.some((item) => /^(public|s-maxage|private=)/.test(item)), headers.get('cache-control'));
    });
  }

  /** The origin's leave for a script of `origin` to read, as it sends it, and what the gateway leaves of it. */
  async function leaveFor(browser, path, origin, allowed) {
    answerHeaders = {
      'access-control-allow-origin': allowed, 'access-control-allow-credentials': 'true', vary: 'Accept-Encoding', 'cache-control': 'private, max-age=9',
    };
    const { headers } = await browser.script(path, { headers: { 'sec-fetch-site': 'same-site', ...(origin && { origin }) } });
    return ['access-control-allow-origin', 'access-control-allow-credentials', 'vary'].map((name) => headers.get(name));
  }

  test('is no leave to read for scripts of other origins where a session was needed', async () => {
    for (const origin of [
      'https://other.example.com', `${SIBLING}.evil.example`, `${SIBLING}:8443`, 'http://admin.example.com', 'https://ADMIN.example.com',
      'http://localhost:3000', 'null', undefined,
    ]) {
      for (const allowed of [origin ?? 'null', '*', SIBLING]) {
        assert.deepEqual(await leaveFor(alice, '/app/page', origin, allowed), [null, null, 'Accept-Encoding, Cookie, Origin'], `${origin} ${allowed}`);
      }
    }
  });

  test('is the origin\'s own leave for our own origin and an allowed one, and where everybody may read', async () => {
    for (const origin of [PUBLIC_URL, SIBLING]) {
      assert.deepEqual(await leaveFor(alice, '/app/page', origin, origin), [origin, 'true', 'Accept-Encoding, Cookie'], origin);
    }
    for (const origin of [SIBLING, 'https://other.example.com', undefined]) {
      for (const browser of [nobody, alice]) {
        assert.deepEqual(await leaveFor(browser, '/public/page', origin, '*'), ['*', 'true', 'Accept-Encoding'], origin);
      }
    }
  });

  test('has no word to shared caches where a session was needed', async () => {
    const spoken = {
      'cdn-cache-control': 'max-age=600', 'cloudflare-cdn-cache-control': 'max-age=600', 'surrogate-control': 'max-age=600',
      expires: MUCH_LATER,
    };
    answerHeaders = { ...spoken, 'x-kept': 'yes' };
    const { headers } = await alice.script('/app/page');
    for (const name of Object.keys(spoken)) assert.equal(headers.get(name), null, name);
    assert.equal(headers.get('x-kept'), 'yes');
  });
});

describe('the page that is the redirect URI', () => {
  test('is fetched without its query and answered so that code and state stay nowhere', async () => {
    for (const query of ['', '?code=abc&state=def', '?error=access_denied']) {
      site.requests.length = 0;
      const response = await nobody.navigate(`/signed-in.html${query}`);
      assert.equal(response.status, 200);
      assert.equal(await response.text(), 'signing in');
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
      for (const name of ['cdn-cache-control', 'expires']) assert.equal(response.headers.get(name), null);
      assert.equal(lastAsked().url, '/signed-in.html');
    }
  });

  test('in another spelling is the same page', async () => {
    const response = await nobody.navigate('/%73igned-in.html?code=abc&state=def');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.doesNotMatch(lastAsked().url, /code/);
  });

  test('takes what a public page takes, and no POST', async () => {
    const response = await nobody.script('/signed-in.html', { method: 'POST' });
    assert.equal(response.headers.get('allow'), 'GET, HEAD, OPTIONS');
    await assertErrorJson(response, 405, 'method_not_allowed');
    assert.equal((await nobody.script('/signed-in.html', { method: 'HEAD' })).headers.get('cache-control'), 'no-store');
  });
});

describe('an origin in trouble', () => {
  test('that cannot be reached is 502 origin_unavailable', async () => {
    await gateway.setWorld({ unreachable: site.origin });
    await assertErrorPage(await nobody.navigate('/public/page'), 502, 'origin_unavailable');
    await assertErrorJson(await alice.script('/app/page'), 502, 'origin_unavailable');
    await gateway.setWorld({ unreachable: undefined });
    assert.equal((await nobody.navigate('/public/page')).status, 200);
  });

  test('that does not answer is 504 origin_timeout after ten seconds', async () => {
    const { response, ms } = await silent;
    await assertErrorPage(response, 504, 'origin_timeout');
    assert.ok(ms >= 9900 && ms < 20_000, `${ms} ms`);
    assert.deepEqual(await (await gateway.fetch('/__given-up')).json(), ['/public/silent'], 'nobody waits for the origin any more');
  });

  test('whose answer takes longer than that, once begun, is waited for', async () => {
    await elevenSeconds;
    release();
    const { response, ms } = await long;
    assert.equal(response.status, 200);
    assert.equal(await response.text(), 'begin end');
    assert.ok(ms >= 10_900, `${ms} ms`);
  });
});
