// Header smuggling, as published against other gateways and proxies: a client's own identity headers in every spelling, and requests
// that two servers could cut in different places.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { PUBLIC_URL, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';
import { getRaw, sendRaw } from '../support/raw.mjs';

const HOST = new URL(PUBLIC_URL).host;
const RULES = JSON.stringify([{ path: '/public/*', allow: 'public' }, { path: '/*', allow: 'signed-in' }]);
const site = await startOrigin({ '/public/page': { body: 'the page' }, '/app/page': { body: 'the page' } });
const gateway = await startGateway({ vars: { ORIGIN_URL: site.origin, RULES } });
after(async () => {
  await gateway.close();
  site.close();
});

const alice = await gateway.signedIn();

beforeEach(() => {
  site.requests.length = 0;
});

const onlyRequest = () => {
  assert.equal(site.requests.length, 1, 'one request to the origin');
  return site.requests[0];
};

describe('header smuggling: a client\'s word on who it is does not reach the origin,', () => {
  const NAMES = [
    'X-User', 'X-User-Id', 'X-User-Groups', 'X-UserInfo', 'X-Auth-Request-User', 'X-Auth-Request-Email', 'X-Auth-Request-Groups',
    'X-Auth-Token',
    'X-Forwarded-User', 'X-Forwarded-Email', 'X-Forwarded-Groups', 'X-Forwarded-Preferred-Username', 'X-Forwarded-Access-Token',
    'X-Forwarded-Client-Cert', 'X-Amzn-Oidc-Data', 'X-Amzn-Oidc-Identity', 'X-Remote-User', 'Remote-User', 'Remote-Groups', 'Remote-Email',
    'X-Remote-Group', 'X-WEBAUTH-USER', 'Authorization', 'Proxy-Authorization', 'Forwarded', 'X-Original-User', 'X-Real-IP',
    'True-Client-IP', 'X-Client-IP', 'X-Host', 'X-Envoy-Original-Path', 'X-MS-Client-Principal', 'X-MS-Client-Principal-Name',
    'X-Goog-Authenticated-User-Email', 'Cf-Access-Authenticated-User-Email', 'Cf-Access-Jwt-Assertion',
  ];
  const SPELLINGS = {
    'spelled as it is': (name) => name,
    'spelled in capitals': (name) => name.toUpperCase(),
    'spelled in changing case': (name) => [...name].map((letter, at) => (at % 2 ? letter.toUpperCase() : letter.toLowerCase())).join(''),
    'spelled with underscores': (name) => name.replaceAll('-', '_'),
    'spelled with the last hyphen as underscore': (name) => name.replace(/-(?=[^-]*$)/, '_'),
  };

  /** On a public path of nobody and on a gated one of alice; all names at once. */
  async function assertStopped(headers, options) {
    for (const [path, cookie] of [['/public/page', []], ['/app/page', [`Cookie: edgegate-session=${alice.session}`]]]) {
      site.requests.length = 0;
      const response = await getRaw(gateway, path, [...cookie, ...headers, 'X-Kept: kept'], options);
      assert.equal(response.status, 200, response.body);
      const { headers: received } = onlyRequest();
      assert.equal(received['x-kept'], 'kept');
      assert.doesNotMatch(JSON.stringify(received), /forged/);
    }
  }

  for (const [title, spell] of Object.entries(SPELLINGS)) {
    test(title, () => assertStopped(NAMES.map((name) => `${spell(name)}: forged`)));
  }

  test('sent twice, and once more in another spelling', async () => {
    await assertStopped(NAMES.flatMap((name) => [name, name.toLowerCase(), name.replaceAll('-', '_')]).map((name) => `${name}: forged`));
  });

  test('with a space before the colon or on a folded line: the request is refused whole, or the header stopped', async () => {
    for (const headers of [
      ['X-User : forged'], ['X-Kept: a', ' X-User: forged'], ['X-Kept: a\r X-User: forged'], [' X-User: forged'], ['X-User\0: forged'],
    ]) {
      site.requests.length = 0;
      const response = await getRaw(gateway, '/public/page', headers);
      if (response.status !== 200) assert.deepEqual([response.status, site.requests], [400, []]);
      else assert.doesNotMatch(JSON.stringify(onlyRequest().headers), /forged/);
    }
  });

  test('named in Connection: neither it nor our own words for the origin are lost or forged by that', async () => {
    const listed = 'close, X-User, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Cookie, Host';
    await assertStopped(['X-User: forged', 'X-Forwarded-For: forged'], { connection: listed });
    const { headers } = onlyRequest();
    assert.deepEqual(
      [headers.host, headers['x-forwarded-host'], headers['x-forwarded-proto'], headers['x-forwarded-for'], headers.connection],
      [site.host, HOST, 'http', '127.0.0.1', 'close'],
    );
  });

  test('in a request whose length can be read in two ways: one answer, and no second request to the origin', async () => {
    const smuggled = 'GET /app/page HTTP/1.1\r\nHost: localhost:8787\r\nX-User: forged\r\n\r\n';
    const cookie = `Cookie: edgegate-session=${alice.session}`;
    for (const [method, framing, body] of [
      ['POST', ['Content-Length: 6', 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
      ['GET', ['Content-Length: 0', 'Content-Length: 50'], smuggled],
      ['GET', ['Transfer-Encoding: xchunked'], `0\r\n\r\n${smuggled}`],
      ['GET', ['Transfer-Encoding : chunked'], `0\r\n\r\n${smuggled}`],
      ['GET', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], `0\r\n\r\n${smuggled}`],
      ['GET', [`Content-Length: ${smuggled.length}`], smuggled],
    ]) {
      site.requests.length = 0;
      const request = [`${method} /public/page HTTP/1.1`, `Host: ${HOST}`, 'Connection: close', cookie, ...framing];
      const { answers } = await sendRaw(gateway, request, body);
      assert.equal(answers, 1, framing.join());
      assert.equal(site.requests.some(({ url }) => url !== '/public/page'), false, framing.join());
      assert.doesNotMatch(JSON.stringify(site.requests), /forged|transfer-encoding/);
    }
  });

  test('and with TE, Trailer or an Expect it is an ordinary request', async () => {
    await getRaw(gateway, '/public/page', ['TE: trailers, forged', 'Trailer: X-User', 'Expect: forged', 'Keep-Alive: forged', 'Upgrade: forged']);
    for (const { headers } of site.requests) assert.doesNotMatch(JSON.stringify(headers), /forged|trailer/);
  });
});
