// GET /auth/login: the authorization request, the sealed flow that waits for its answer, and the path that a login returns to.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage, assertOwnHeaders, setCookies } from '../support/answers.mjs';
import { NAVIGATION, OWN_SCRIPT, PUBLIC_URL, startGateway } from '../support/gateway.mjs';

const gateway = await startGateway();
after(() => gateway.close());

const RANDOM_TEXT = /^[\w-]{43}$/;
const FLOW_NAME = /^edgegate-login-[\w-]{16}$/;

describe('the authorization request', () => {
  test('asks for a code with S256, state and nonce, and for nothing that is not configured', async () => {
    const url = new URL(await gateway.browser().beginLogin('/app/'));
    assert.equal(url.origin + url.pathname, `${gateway.cognito.origin}/oauth2/authorize`);
    const { state, nonce, code_challenge: challenge, ...rest } = Object.fromEntries(url.searchParams);
    for (const value of [state, nonce, challenge]) assert.match(value, RANDOM_TEXT);
    assert.equal(new Set([state, nonce, challenge]).size, 3);
    assert.deepEqual(rest, {
      response_type: 'code',
      client_id: gateway.cognito.clientId,
      redirect_uri: `${PUBLIC_URL}/auth/callback`,
      scope: 'openid email profile',
      code_challenge_method: 'S256',
    });
    assert.equal([...url.searchParams].length, 8, 'no parameter twice');
  });

  test('has a new state, nonce and challenge each time', async () => {
    const browser = gateway.browser();
    const urls = [new URL(await browser.beginLogin()), new URL(await browser.beginLogin())];
    for (const name of ['state', 'nonce', 'code_challenge']) {
      assert.notEqual(urls[0].searchParams.get(name), urls[1].searchParams.get(name), name);
    }
  });

  test('passes identity_provider, idp_identifier, login_hint, lang and prompt through', async () => {
    const wanted = { identity_provider: 'Google', idp_identifier: 'example.com', login_hint: 'dana@example.com', lang: 'ko', prompt: 'login' };
    const params = await authorizeParams(String(new URLSearchParams(wanted)));
    for (const [name, value] of Object.entries(wanted)) assert.equal(params.get(name), value);
    assert.equal([...params].length, 13);
  });

  test('is not changed by parameters that are ours to set', async () => {
    const params = await authorizeParams(String(new URLSearchParams({
      scope: 'openid aws.cognito.signin.user.admin', redirect_uri: 'https://evil.example/', client_id: 'other', response_type: 'token',
      state: 'mine', nonce: 'mine', code_challenge: 'mine', code_challenge_method: 'plain', resource: 'https://api.example',
    })));
    assert.equal(params.get('scope'), 'openid email profile');
    assert.equal(params.get('redirect_uri'), `${PUBLIC_URL}/auth/callback`);
    assert.equal(params.get('client_id'), gateway.cognito.clientId);
    assert.equal(params.get('response_type'), 'code');
    assert.equal(params.get('code_challenge_method'), 'S256');
    for (const name of ['state', 'nonce', 'code_challenge']) assert.match(params.get(name), RANDOM_TEXT);
    assert.equal([...params].length, 8);
  });

  for (const value of ['x&scope=admin', 'x#fragment', 'a+b', '100%', '%26prompt=none', 'x&prompt=none#&+%2526']) {
    test(`keeps a hint of ${JSON.stringify(value)} one value`, async () => {
      const params = await authorizeParams(`login_hint=${encodeURIComponent(value)}&identity_provider=${encodeURIComponent(value)}`);
      assert.equal(params.get('login_hint'), value);
      assert.equal(params.get('identity_provider'), value);
      assert.equal([...params].length, 10);
    });
  }

  test('takes the redirect URI from the configuration, whatever the forwarding headers say', async () => {
    const response = await gateway.browser().navigate('/auth/login', {
      'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', 'x-original-host': 'evil.example', forwarded: 'host=evil.example',
    });
    assert.equal(new URL(response.headers.get('location')).searchParams.get('redirect_uri'), `${PUBLIC_URL}/auth/callback`);
  });

  test('is a 302 that nobody stores and that tells nobody where it came from', async () => {
    const response = await gateway.browser().navigate('/auth/login');
    assert.equal(response.status, 302);
    assert.equal(await response.text(), '');
    assertOwnHeaders(response);
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
  });

  async function authorizeParams(query) {
    const response = await gateway.browser().navigate(`/auth/login?${query}`);
    assert.equal(response.status, 302);
    const location = response.headers.get('location');
    assert.ok(location.startsWith(`${gateway.cognito.origin}/oauth2/authorize?`));
    assert.equal(new URL(location).hash, '');
    return new URL(location).searchParams;
  }
});

describe('the flow cookie', () => {
  test('lives an hour, out of reach of scripts and other sites', async () => {
    const response = await gateway.browser().navigate('/auth/login?return_to=/app/');
    const cookies = [...setCookies(response)];
    assert.equal(cookies.length, 2);
    const [[name, { value, attributes }], [returnName, returnPath]] = cookies;
    assert.match(name, FLOW_NAME);
    assert.match(value, /^[\w-]+$/);
    assert.deepEqual(attributes, ['HttpOnly', 'Max-Age=3600', 'Path=/', 'SameSite=Lax']);
    assert.equal(returnName, name.replace('login', 'return'), 'and beside it the path, for a day');
    assert.deepEqual(returnPath, { value: 'L2FwcC8', attributes: ['HttpOnly', 'Max-Age=86400', 'Path=/', 'SameSite=Lax'] });
  });

  test('says nothing of state, nonce or return path and fits into a cookie with the longest path', async () => {
    const browser = gateway.browser();
    const path = `/${'long-path/'.repeat(204)}abcdefg`;
    assert.equal(path.length, 2048);
    const params = new URL(await browser.beginLogin(path)).searchParams;
    const [[name, value]] = browser.cookies;
    assert.ok(name.length + value.length < 4096, 'too long for a cookie');
    const seen = [value, Buffer.from(value, 'base64url').toString('latin1'), name];
    for (const secret of [params.get('state'), params.get('nonce'), params.get('code_challenge'), 'long-path']) {
      for (const text of seen) assert.equal(text.includes(secret), false);
    }
  });

  test('is one of five at most: the sixth login evicts the oldest, and the others go on', async () => {
    const browser = gateway.browser();
    const urls = [];
    for (let index = 0; index < 5; index += 1) urls.push(await browser.beginLogin(`/app/?tab=${index}`));
    const [oldest, second] = browser.flows;
    assert.equal(browser.flows.length, 5);

    const response = await browser.navigate('/auth/login?return_to=/app/?tab=5');
    const lines = setCookies(response);
    assert.deepEqual(lines.get(oldest), { value: '', attributes: ['HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Lax'] });
    assert.equal([...lines.keys()].filter((name) => name.startsWith('edgegate-login-')).length, 2, 'one evicted, one new');
    assert.equal(browser.flows.length, 5);
    assert.equal(browser.flows[0], second);

    const evicted = await browser.arrive(await browser.authenticate(urls[0]));
    assert.equal(evicted.headers.get('location'), '/auth/login?return_to=%2Fapp%2F%3Ftab%3D0&retry=1', 'its page is not lost');
    await assertErrorPage(await browser.arrive(urls[0].replace(/.*[?&]state=([^&]*).*/, '/auth/callback?code=c&state=$1')), 400, 'state_mismatch');
    const arrived = await browser.arrive(await browser.authenticate(urls[1]));
    assert.equal(arrived.status, 303);
    assert.equal(arrived.headers.get('location'), '/app/?tab=1');
  });
});

describe('the return path', () => {
  for (const path of ['/', '/app/', '/app/?view=reports&x=%2F%2Fevil', '/app/#part', '/a%20b?q=%26', '/app/?next=https://evil.example/']) {
    test(`${path} is where a login arrives`, async () => {
      const response = await gateway.browser().signIn(path);
      assert.equal(response.status, 303);
      assert.equal(response.headers.get('location'), path);
    });
  }

  for (const path of [
    '', 'app', '//evil.example', '/\\evil.example', '\\\\evil.example', 'https://evil.example', 'javascript:alert(1)', '/.//evil.example',
    '/a/..//evil.example', '/%2f%2fevil.example', '/\t/evil.example', '/\r\nSet-Cookie:a=b', '/auth/login', '/%61uth/logout', '/a/../auth/callback',
    `/${'a'.repeat(2048)}`,
  ]) {
    test(`${JSON.stringify(path).slice(0, 40)} is not: the login arrives at /`, async () => {
      const response = await gateway.browser().signIn(path);
      assert.equal(response.status, 303);
      assert.equal(response.headers.get('location'), '/');
      assert.deepEqual([...setCookies(response).keys()].sort().map((name) => name.slice(0, 14)), ['edgegate-login', 'edgegate-sessi', 'edgegate-sign-']);
    });
  }

  for (const [what, path, kept] of [
    ['of 2048 bytes is kept', `/${'a'.repeat(2047)}`],
    ['with a query, of 2048 bytes, is kept', `/app/?${'a'.repeat(2042)}`],
    ['of more bytes loses its query', `/app/?${'a'.repeat(2043)}`, '/app/'],
    ['with a backslash in its query has it encoded', '/app/?file=a\\b', '/app/?file=a%5Cb'],
  ]) {
    test(what, async () => {
      assert.equal((await gateway.browser().signIn(path)).headers.get('location'), kept ?? path);
    });
  }

  test('leads off the origin for no payload of the public open-redirect list, as given or decoded', async (context) => {
    const folder = process.env.EDGEGATE_VECTORS;
    const lines = folder ? readFileSync(`${folder}/oauth2-proxy_openredirects.txt`, 'utf8').split('\n').filter(Boolean) : OWN_PAYLOADS;
    context.diagnostic(folder ? `${lines.length} payloads` : 'EDGEGATE_VECTORS is not set: only a few payloads of our own');
    const payloads = new Set(lines.flatMap((line) => [line, decodedOnce(line)]));
    assert.ok(payloads.size >= lines.length);
    const waiting = [...payloads];
    await Promise.all(Array.from({ length: 16 }, async () => {
      for (let payload = waiting.pop(); payload !== undefined; payload = waiting.pop()) {
        const path = await sealedReturnPath(`return_to=${encodeURIComponent(payload)}`);
        assert.match(path, /^\/(?![/\\])/, payload);
        assert.equal(new URL(path, PUBLIC_URL).origin, PUBLIC_URL, payload);
      }
    }));
  });

  const OWN_PAYLOADS = [
    '//evil.example', '/\\evil.example', '/%09/evil.example', '/%5cevil.example', '//%5cevil.example', '/%2f%2fevil.example',
    '///evil.example',
  ];

  function decodedOnce(line) {
    try {
      return decodeURIComponent(line);
    } catch {
      return line;
    }
  }

  /** What a login has sealed: the page of a login that was cancelled offers another one to the same place. */
  async function sealedReturnPath(query) {
    const browser = gateway.browser();
    const { headers } = await browser.navigate(`/auth/login?${query}`);
    const state = new URL(headers.get('location')).searchParams.get('state');
    const page = await (await browser.arrive(`/auth/callback?error=access_denied&state=${state}`)).text();
    const [, link] = /href="\/auth\/login\?return_to=([^"]*)"/.exec(page);
    return decodeURIComponent(link.replaceAll('+', ' '));
  }
});

describe('who may begin a login', () => {
  for (const purpose of ['prefetch', 'Prefetch;Prerender']) {
    test(`a ${purpose} gets an empty 503 that nobody stores and begins nothing`, async () => {
      const response = await gateway.browser().navigate('/auth/login', { 'sec-purpose': purpose });
      assert.equal(response.status, 503);
      assert.equal(await response.text(), '');
      assertOwnHeaders(response);
      assert.equal(response.headers.get('location'), null);
      assert.deepEqual(response.headers.getSetCookie(), []);
    });
  }

  for (const [who, headers] of [
    ['a script', OWN_SCRIPT],
    ['an image', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', 'sec-fetch-site': 'cross-site' }],
    ['an iframe', { ...NAVIGATION, 'sec-fetch-dest': 'iframe' }],
    ['an embedded object', { ...NAVIGATION, 'sec-fetch-dest': 'object' }],
  ]) {
    test(`${who} is refused`, async () => {
      const response = await gateway.fetch('/auth/login', { headers });
      await assertErrorJson(response, 400, 'invalid_request');
      assert.deepEqual(response.headers.getSetCookie(), []);
    });
  }

  test('a client without fetch metadata may: old browsers send none', async () => {
    const response = await gateway.fetch('/auth/login', { headers: { accept: 'text/html' } });
    assert.equal(response.status, 302);
  });

  test('under another host the browser goes to the public URL first, with no flow begun', async () => {
    const response = await gateway.fetch('http://127.0.0.1:8787/auth/login?return_to=%2Fapp%2F&lang=ko', { headers: NAVIGATION });
    assert.equal(response.status, 302);
    assert.equal(response.headers.get('location'), `${PUBLIC_URL}/auth/login?return_to=%2Fapp%2F&lang=ko`);
    assert.deepEqual(response.headers.getSetCookie(), []);
  });

  for (const method of ['HEAD', 'POST', 'PUT', 'OPTIONS']) {
    test(`${method} is not a way to log in`, async () => {
      const response = await gateway.fetch('/auth/login', {
        method, headers: { ...NAVIGATION, origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin' },
      });
      assert.equal(response.status, 405);
      assert.equal(response.headers.get('allow'), 'GET');
      assert.deepEqual(response.headers.getSetCookie(), []);
    });
  }
});
