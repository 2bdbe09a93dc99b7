// Whose page may call: the CSRF check of the POSTs, CORS for sibling hosts, the methods of each route, and the limits of a request.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage, assertOwnHeaders } from '../support/answers.mjs';
import { NAVIGATION, OWN_SCRIPT, PUBLIC_URL as APP, startGateway } from '../support/gateway.mjs';

const SIBLING = 'https://admin.example.com';
const gateway = await startGateway({ vars: { ALLOWED_ORIGINS: `${SIBLING}, https://www.example.com:8443` } });
after(() => gateway.close());

const POSTS = ['/auth/token', '/auth/refresh', '/auth/logout'];

/** What a POST answers that has passed the check, without a session and with nothing to send. */
const PASSED = { '/auth/token': [400, 'invalid_request'], '/auth/refresh': [401, 'session_required'], '/auth/logout': [200, undefined] };

describe('a POST is the page\'s own when Origin and Sec-Fetch-Site say so together:', () => {
  const ALLOWED = [
    [APP, 'same-origin'], [APP, undefined], [SIBLING, 'same-site'], [SIBLING, undefined], ['https://www.example.com:8443', 'same-site'],
    [undefined, 'same-origin'], ['null', 'same-origin'],
  ];
  const REFUSED = [
    [undefined, undefined], [undefined, 'same-site'], [undefined, 'cross-site'], [undefined, 'none'], [undefined, ''], [undefined, 'nonsense'],
    ['null', undefined], ['null', 'same-site'], ['null', 'cross-site'], ['null', 'none'],
    [APP, 'same-site'], [APP, 'cross-site'], [APP, 'none'], [APP, 'nonsense'],
    [SIBLING, 'same-origin'], [SIBLING, 'cross-site'], [SIBLING, 'none'],
    ['https://evil.example', 'same-origin'], ['https://evil.example', 'same-site'], ['https://evil.example', 'cross-site'],
    ['https://evil.example', undefined],
    ['https://other.example.com', 'same-site'], ['https://other.example.com', undefined],
    ['http://localhost', undefined], ['http://localhost:87870', undefined], ['http://localhost:8787.evil.example', undefined],
    ['http://evillocalhost:8787', undefined],
    ['https://admin.example.com.evil.example', undefined], ['https://admin.example.com:8443', undefined],
    ['http://admin.example.com', undefined], ['https://ADMIN.example.com', undefined],
    [`${SIBLING}/`, undefined], [`${APP}, ${APP}`, undefined], ['https://www.example.com', 'same-site'], ['*', undefined],
  ];
  const headersOf = (origin, site) => ({ ...(origin !== undefined && { origin }), ...(site !== undefined && { 'sec-fetch-site': site }) });
  const name = (origin, site) => `Origin ${origin ?? 'absent'}, Sec-Fetch-Site ${site ?? 'absent'}`;

  for (const [origin, site] of ALLOWED) {
    test(`${name(origin, site)} passes`, async () => {
      for (const path of POSTS) {
        const response = await gateway.fetch(path, { method: 'POST', headers: headersOf(origin, site) });
        const [status, code] = PASSED[path];
        assert.equal(response.status, status, path);
        assert.equal((await response.json()).error, code);
      }
    });
  }

  for (const [origin, site] of REFUSED) {
    test(`${name(origin, site)} is refused, and does nothing`, async () => {
      for (const path of POSTS) {
        const response = await gateway.fetch(path, { method: 'POST', headers: headersOf(origin, site) });
        assert.deepEqual(response.headers.getSetCookie(), []);
        if (origin !== APP && origin !== SIBLING) assert.equal(response.headers.get('access-control-allow-origin'), null);
        await assertErrorJson(response, 403, 'csrf_rejected');
      }
    });
  }

  test('a logout that another site sends ends nothing', async () => {
    const browser = await gateway.signedIn();
    const { session } = browser;
    for (const headers of [{ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, { origin: 'null', 'sec-fetch-site': 'cross-site' }]) {
      const response = await browser.send('/auth/logout', {
        method: 'POST', body: '', headers: { ...NAVIGATION, 'content-type': 'application/x-www-form-urlencoded', ...headers },
      });
      await assertErrorPage(response, 403, 'csrf_rejected');
    }
    assert.equal(browser.session, session);
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('a token of the session is not for another site', async () => {
    const browser = await gateway.signedIn();
    const response = await browser.send('/auth/refresh', {
      method: 'POST', headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    });
    assert.doesNotMatch(await response.clone().text(), /eyJ/);
    await assertErrorJson(response, 403, 'csrf_rejected');
  });

  test('reading needs no proof: GET of another site is answered, without leave to read it', async () => {
    const browser = await gateway.signedIn();
    const response = await browser.script('/user-info', { headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' } });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('access-control-allow-origin'), null);
  });
});

describe('CORS', () => {
  const JSON_ROUTES = ['/config', '/user-info', '/auth/status', ...POSTS];
  const method = (path) => (POSTS.includes(path) ? 'POST' : 'GET');
  const corsOf = (response) => [...response.headers].filter(([name]) => name.startsWith('access-control-'));
  const varies = (response) => (response.headers.get('vary') ?? '').toLowerCase().split(/\s*,\s*/);

  for (const path of JSON_ROUTES) {
    test(`${path} may be read by our own origin and by an allowed one, with credentials`, async () => {
      for (const [origin, site] of [[APP, 'same-origin'], [SIBLING, 'same-site']]) {
        const response = await gateway.fetch(path, { method: method(path), headers: { ...OWN_SCRIPT, origin, 'sec-fetch-site': site } });
        assert.equal(response.headers.get('access-control-allow-origin'), origin);
        assert.equal(response.headers.get('access-control-allow-credentials'), 'true');
        assert.ok(varies(response).includes('origin'));
      }
    });

    test(`${path} may be read by nobody else, and says that it depends on the origin`, async () => {
      for (const origin of [
        'https://evil.example', 'null', 'https://other.example.com', 'http://admin.example.com', 'https://admin.example.com.evil.example',
        'https://ADMIN.example.com', undefined,
      ]) {
        const response = await gateway.fetch(path, { method: method(path), headers: { ...OWN_SCRIPT, ...(origin && { origin }) } });
        assert.deepEqual(corsOf(response), [], origin);
        assert.ok(varies(response).includes('origin'));
      }
    });

    test(`${path} answers the preflight of an allowed origin`, async () => {
      const response = await gateway.fetch(path, {
        method: 'OPTIONS',
        headers: {
          origin: SIBLING, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', 'access-control-request-method': method(path),
          'access-control-request-headers': 'content-type',
        },
      });
      assert.equal(response.status, 204);
      assert.equal(await response.text(), '');
      assert.equal(response.headers.get('access-control-allow-origin'), SIBLING);
      assert.equal(response.headers.get('access-control-allow-credentials'), 'true');
      assert.ok(response.headers.get('access-control-allow-methods').split(', ').includes(method(path)));
      assert.match(response.headers.get('access-control-allow-headers'), /content-type/i);
      assert.ok(varies(response).includes('origin'));
      assert.deepEqual(response.headers.getSetCookie(), []);
    });

    test(`${path} gives another origin's preflight no leave`, async () => {
      for (const origin of ['https://evil.example', 'null']) {
        const response = await gateway.fetch(path, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': method(path) } });
        assert.deepEqual(corsOf(response), []);
      }
    });
  }

  test('the 401 of a gated path can be read by an allowed origin, so that its script can act', async () => {
    const headers = { ...OWN_SCRIPT, 'sec-fetch-site': 'same-site' };
    const allowed = await gateway.fetch('/app/', { headers: { ...headers, origin: SIBLING } });
    assert.equal(allowed.headers.get('access-control-allow-origin'), SIBLING);
    await assertErrorJson(allowed, 401, 'session_required');
    const other = await gateway.fetch('/app/', { headers: { ...headers, origin: 'https://evil.example' } });
    assert.deepEqual(corsOf(other), []);
    await assertErrorJson(other, 401, 'session_required');
  });

  test('a sibling host can use a session: user info, refresh and logout', async () => {
    const browser = await gateway.signedIn();
    const fromSibling = { origin: SIBLING, 'sec-fetch-site': 'same-site' };
    assert.equal((await browser.script('/user-info', { headers: fromSibling })).status, 200);
    const refreshed = await browser.post('/auth/refresh', undefined, fromSibling);
    assert.equal(refreshed.status, 200);
    assert.equal(refreshed.headers.get('access-control-allow-origin'), SIBLING);
    assert.equal((await browser.post('/auth/logout', undefined, fromSibling)).status, 200);
    assert.equal(browser.session, undefined);
  });

  for (const path of ['/auth/login', '/auth/callback?code=a&state=b', '/healthz', '/readyz', '/auth/nothing']) {
    test(`${path} is for no other page's script`, async () => {
      assert.deepEqual(corsOf(await gateway.fetch(path, { headers: { ...NAVIGATION, origin: SIBLING } })), []);
    });
  }
});

describe('a method that a route does not have is 405, with those that it has:', () => {
  const ALLOW = {
    '/config': 'GET, HEAD, OPTIONS', '/user-info': 'GET, HEAD, OPTIONS', '/auth/status': 'GET, HEAD, OPTIONS',
    '/healthz': 'GET, HEAD', '/readyz': 'GET, HEAD', '/auth/login': 'GET', '/auth/callback': 'GET',
    '/auth/token': 'POST, OPTIONS', '/auth/refresh': 'POST, OPTIONS', '/auth/logout': 'POST, OPTIONS',
  };
  for (const [path, allow] of Object.entries(ALLOW)) {
    test(`${path}: ${allow}`, async () => {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const response = await gateway.fetch(path, { method, headers: { ...OWN_SCRIPT, origin: APP } });
        if (allow.split(', ').includes(method)) {
          assert.notEqual(response.status, 405, method);
          continue;
        }
        assert.equal(response.headers.get('allow'), allow, method);
        assert.deepEqual(response.headers.getSetCookie(), []);
        if (method === 'HEAD') assert.equal(response.status, 405);
        else await assertErrorJson(response, 405, 'method_not_allowed');
      }
    });
  }

  test('a HEAD has the headers of a GET and no body', async () => {
    for (const path of ['/config', '/auth/status', '/healthz']) {
      const response = await gateway.fetch(path, { method: 'HEAD', headers: OWN_SCRIPT });
      assert.equal(response.status, 200);
      assert.equal(await response.text(), '');
      assertOwnHeaders(response, { cacheControl: path === '/config' ? response.headers.get('cache-control') : 'no-store' });
    }
  });

  test('a GET does not sign anybody out', async () => {
    const browser = await gateway.signedIn();
    await assertErrorJson(await browser.script('/auth/logout'), 405, 'method_not_allowed');
    const page = await browser.navigate('/auth/logout');
    assert.equal(page.status, 200);
    assertOwnHeaders(page);
    assert.match(await page.text(), /<form method="post" action="\/auth\/logout"><button/);
    assert.equal((await browser.script('/user-info')).status, 200);
  });
});

describe('a request has limits:', () => {
  const own = { ...OWN_SCRIPT, origin: APP, 'content-type': 'application/json' };
  const KB = 1024;

  for (const path of POSTS) {
    test(`a body of ${path} over 16 kB is 413`, async () => {
      await assertErrorJson(await gateway.fetch(path, { method: 'POST', headers: own, body: 'x'.repeat(16 * KB + 1) }), 413, 'payload_too_large');
      const fits = await gateway.fetch(path, { method: 'POST', headers: own, body: JSON.stringify({ pad: 'x'.repeat(15 * KB) }) });
      assert.notEqual(fits.status, 413);
    });
  }

  test('a body of which nobody says how long it is is held against the same limit', async () => {
    const response = await gateway.fetch('/auth/token', { method: 'POST', headers: own, chunks: ['x'.repeat(10 * KB), 'x'.repeat(10 * KB)] });
    await assertErrorJson(response, 413, 'payload_too_large');
  });

  test('an address over 8 kB is 414, for scripts and for people', async () => {
    for (const path of ['/app/', '/auth/login', '/user-info']) {
      await assertErrorJson(await gateway.fetch(`${path}?${'x'.repeat(8 * KB)}`, { headers: OWN_SCRIPT }), 414, 'uri_too_long');
    }
    await assertErrorPage(await gateway.fetch(`/app/?${'x'.repeat(8 * KB)}`, { headers: NAVIGATION }), 414, 'uri_too_long');
    assert.equal((await gateway.fetch(`/app/?${'x'.repeat(7 * KB)}`, { headers: NAVIGATION })).status, 302);
  });

  test('cookies over 32 kB are 431, for scripts and for people', async () => {
    const cookie = (kilobytes) => `junk=${'x'.repeat(kilobytes * KB)}`;
    for (const path of ['/app/', '/user-info', '/config']) {
      await assertErrorJson(await gateway.fetch(path, { headers: { ...OWN_SCRIPT, cookie: cookie(32) } }), 431, 'headers_too_large');
    }
    await assertErrorPage(await gateway.fetch('/app/', { headers: { ...NAVIGATION, cookie: cookie(32) } }), 431, 'headers_too_large');
    assert.equal((await gateway.fetch('/config', { headers: { ...OWN_SCRIPT, cookie: cookie(31) } })).status, 200);
  });

  test('an Authorization header beyond any token is 431, and a token of 40 kB is read', async () => {
    const ask = (kilobytes) => gateway.fetch('/user-info', { headers: { ...OWN_SCRIPT, authorization: `Bearer ${'x'.repeat(kilobytes * KB)}` } });
    await assertErrorJson(await ask(66), 431, 'headers_too_large');
    await assertErrorJson(await ask(40), 401, 'token_invalid');
  });

  test('five login flows with the longest return paths still fit', async () => {
    const browser = gateway.browser();
    for (let index = 0; index < 5; index += 1) await browser.beginLogin(`/${String(index).repeat(2047)}`);
    const authorizeUrl = await browser.beginLogin(`/${'z'.repeat(2047)}`);
    for (const [name, value] of browser.cookies) assert.ok(name.length + value.length < 4096, 'too long for a cookie');
    const response = await browser.arrive(await browser.authenticate(authorizeUrl));
    assert.equal(response.status, 303);
    assert.equal(response.headers.get('location'), `/${'z'.repeat(2047)}`);
  });
});
