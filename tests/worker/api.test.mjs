// An API and a single-page app behind the gate, in the real runtime: ROUTES and SPA_FALLBACK before servers on loopback.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson } from '../support/answers.mjs';
import { NAVIGATION, OWN_SCRIPT, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';

const SHELL = '<!doctype html><title>the shell</title>';
const ACCESS_DENIED = '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>';
/** As S3 behind an origin access control answers for a key that it does not have. */
const site = await startOrigin((request, response) => {
  if (request.url !== '/index.html') {
    response.writeHead(403, { 'content-type': 'application/xml' });
    return response.end(request.method === 'HEAD' ? undefined : ACCESS_DENIED);
  }
  const known = request.headers['if-none-match'] === '"v1"';
  response.writeHead(known ? 304 : 200, { 'content-type': 'text/html', etag: '"v1"', 'cache-control': 'max-age=60' });
  return response.end(known || request.method === 'HEAD' ? undefined : SHELL);
});

/** The tokens that the API refuses. */
const refused = new Set();
let release;
const api = await startOrigin(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { method, url, headers } = request;
  if (refused.has(headers.authorization)) {
    response.writeHead(401);
    return response.end();
  }
  if (url === '/prod/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'access-control-allow-origin': '*' });
    response.write('data: one\n\n');
    release = () => response.end('data: two\n\n');
    return undefined;
  }
  response.writeHead(url.startsWith('/prod/missing') ? 404 : 200, {
    'content-type': 'application/json', 'set-cookie': ['a=b', 'edgegate-session=evil'], 'x-got-type': headers['content-type'] ?? 'none',
  });
  const body = Buffer.concat(chunks);
  return response.end(JSON.stringify({ method, url, authorization: headers.authorization, cookie: headers.cookie, length: body.length, text: body.subarray(0, 100).toString() }));
});

const gateway = await startGateway({
  vars: {
    ORIGIN_URL: site.origin, SPA_FALLBACK: '/index.html', RULES: JSON.stringify([{ path: '/open/*', allow: 'public' }]),
    ROUTES: JSON.stringify([{ path: '/api/*', to: `${api.origin}/prod` }]),
  },
});
after(async () => {
  await gateway.close();
  site.close();
  api.close();
});
const alice = await gateway.signedIn();
const nobody = gateway.browser();
const bearer = () => `Bearer ${gateway.givenTokens().at(-1).access_token}`;

beforeEach(() => {
  site.requests.length = 0;
  api.requests.length = 0;
});

describe('an API behind the gate', () => {
  test('gets method, path, query and body with the token, and no cookie', async () => {
    const response = await alice.post('/api/items?a=%7E', { name: 'x' });
    assert.equal(response.status, 200);
    const got = await response.json();
    assert.deepEqual(got, { method: 'POST', url: '/prod/items?a=%7E', authorization: bearer(), length: 12, text: '{"name":"x"}' });
    assert.equal(response.headers.get('x-got-type'), 'application/json');
    assert.deepEqual(response.headers.getSetCookie(), ['a=b']);
  });

  for (const method of ['PUT', 'PATCH', 'DELETE']) {
    test(`gets ${method}`, async () => {
      const headers = { origin: gateway.publicUrl };
      const response = await alice.script('/api/items/7', { method, headers, ...(method !== 'DELETE' && { body: 'changed' }) });
      const { method: asked, length } = await response.json();
      assert.deepEqual([response.status, asked, length], [200, method, method === 'DELETE' ? 0 : 7]);
    });
  }

  test('is not asked by who is signed out, nor by another site', async () => {
    await assertErrorJson(await nobody.send('/api/items', { headers: NAVIGATION }), 401, 'session_required');
    const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    await assertErrorJson(await alice.send('/api/items', { method: 'POST', headers, body: '{}' }), 403, 'csrf_rejected');
    assert.equal(api.requests.length, 0);
  });

  test('answers errors of its own, which pass', async () => {
    const response = await alice.script('/api/missing/page', { headers: NAVIGATION });
    assert.equal(response.status, 404);
    assert.equal((await response.json()).url, '/prod/missing/page');
  });

  test('refuses a token: it is refreshed once, and the request is made again with its body', async () => {
    const before = bearer();
    refused.add(before);
    const response = await alice.post('/api/items', { name: 'again' });
    assert.equal(response.status, 200);
    const { authorization, text } = await response.json();
    assert.notEqual(authorization, before);
    assert.deepEqual([authorization, text], [bearer(), '{"name":"again"}']);
    assert.equal(api.requests.length, 2);
  });

  test('sends events as they come', async () => {
    const cookie = [...alice.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const { hostname, port } = gateway.address;
    const sent = httpRequest({ hostname, port, path: '/api/events', headers: { ...OWN_SCRIPT, host: 'localhost:8787', cookie } });
    sent.end();
    const [received] = await once(sent, 'response');
    assert.equal(received.headers['access-control-allow-origin'], undefined, 'CORS is the gateway\'s');
    const [first] = await once(received, 'data');
    assert.equal(String(first), 'data: one\n\n');
    release();
    const [second] = await once(received, 'data');
    assert.equal(String(second), 'data: two\n\n');
  });

  test('takes a body of 8 MB', async () => {
    const response = await alice.script('/api/upload', { method: 'POST', headers: { origin: gateway.publicUrl }, body: Buffer.alloc(8_000_000, 'x') });
    assert.equal((await response.json()).length, 8_000_000);
  });
});

describe('a path that the site does not have', () => {
  test('is the shell for a page load: whole, by HEAD, and not again when it is known', async () => {
    const whole = await alice.navigate('/dashboard/settings?tab=1', { range: 'bytes=0-3' });
    assert.deepEqual([whole.status, await whole.text()], [200, SHELL]);
    assert.equal(whole.headers.get('cache-control'), 'private, max-age=60');
    const known = await alice.navigate('/dashboard/settings', { 'if-none-match': '"v1"' });
    assert.equal(known.status, 304);
    const head = await alice.send('/dashboard', { method: 'HEAD', headers: NAVIGATION });
    assert.deepEqual([head.status, head.headers.get('content-type')], [200, 'text/html']);
    assert.equal(site.requests.length, 6, 'a miss costs one more request');
  });

  test('stays a miss for everything else', async () => {
    const response = await alice.script('/assets/missing.js');
    assert.deepEqual([response.status, await response.text()], [403, ACCESS_DENIED]);
  });

  test('leads to the login where the shell needs a session, and comes back', async () => {
    const response = await nobody.navigate('/open/news');
    assert.equal(response.status, 302);
    assert.equal(response.headers.get('location'), '/auth/login?return_to=%2Fopen%2Fnews');
  });
});
