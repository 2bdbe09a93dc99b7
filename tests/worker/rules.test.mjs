// RULES in the real runtime, before an origin: bodies that stream, identity, a mode that only reports, and the line of the log.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { PUBLIC_URL, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';

const RULES = JSON.stringify([
  { path: ['/', '/*.css'], allow: 'public' },
  { path: '/forms/*', methods: ['POST', 'PUT'], allow: 'signed-in', identity: true },
  { path: '/vote', methods: ['POST', 'DELETE'], allow: 'public' },
  { path: '/pro/*', allow: { claims: { 'custom:plan': ['pro'] } } },
  { path: '/lab/*', allow: { groups: ['lab'] }, mode: 'report' },
  { path: '/me', allow: 'signed-in', identity: true },
]);
const OWN = { origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin' };
/** What has arrived of the body under way. */
let arrived = '';
let bodies = [];

const site = await startOrigin((request, response) => {
  arrived = '';
  request.setEncoding('utf8');
  request.on('data', (text) => { arrived += text; });
  request.on('end', () => {
    bodies.push(arrived);
    response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'public, max-age=60' });
    response.end(request.method === 'HEAD' ? undefined : `${request.method} of ${arrived.length}`);
  });
});
const gateway = await startGateway({ vars: { ORIGIN_URL: site.origin, RULES } });
after(async () => {
  await gateway.close();
  site.close();
});
gateway.cognito.set({ idClaims: { 'custom:plan': 'pro' } });
const alice = await gateway.signedIn();
gateway.cognito.set({ idClaims: {} });
const nobody = gateway.browser();

beforeEach(() => {
  site.requests.length = 0;
  bodies = [];
});

const lastAsked = () => {
  assert.equal(site.requests.length, 1, 'one request to the origin');
  return site.requests[0];
};
const lineFor = async (path) => (await gateway.logs()).findLast((line) => line.path === path);

describe('a method that a rule opens', () => {
  for (const [method, path, browser] of [['POST', '/forms/a', alice], ['PUT', '/forms/a', alice], ['POST', '/vote', nobody]]) {
    test(`brings its body and type to the origin: ${method} ${path}`, async () => {
      const body = 'name=Alice&more=한글';
      const headers = { ...OWN, 'content-type': 'application/x-www-form-urlencoded', 'x-custom': 'kept' };
      const response = await browser.send(`${path}?a=1`, { method, headers, body });
      assert.equal(await response.text(), `${method} of ${body.length}`);
      const asked = lastAsked();
      assert.equal(asked.method, method);
      assert.equal(asked.url, `${path}?a=1`);
      assert.equal(asked.headers['content-type'], headers['content-type']);
      assert.equal(asked.headers['x-custom'], 'kept');
      assert.deepEqual(bodies, [body]);
    });
  }

  test('streams: the origin has the beginning of a body before the client has sent its end', async () => {
    const { hostname, port } = gateway.address;
    const headers = { ...OWN, host: new URL(PUBLIC_URL).host, 'content-type': 'application/octet-stream' };
    const sent = httpRequest({ hostname, port, method: 'POST', path: '/vote', headers });
    const answered = once(sent, 'response');
    sent.write('the beginning');
    await eventually(() => arrived === 'the beginning', 'the beginning at the origin');
    sent.end(', the end');
    const [response] = await answered;
    response.resume();
    assert.equal(response.statusCode, 200);
    assert.deepEqual(bodies, ['the beginning, the end']);
  });

  test('may be without a body', async () => {
    assert.equal(await (await nobody.send('/vote', { method: 'DELETE', headers: OWN })).text(), 'DELETE of 0');
    assert.equal(await (await nobody.send('/vote', { method: 'POST', headers: OWN })).text(), 'POST of 0');
  });

  test('must be the own page’s, and other methods stay shut', async () => {
    for (const headers of [{}, { origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      for (const [browser, path] of [[nobody, '/vote'], [alice, '/forms/a']]) {
        await assertErrorJson(await browser.send(path, { method: 'POST', headers, body: 'x' }), 403, 'csrf_rejected');
      }
    }
    await assertErrorJson(await nobody.send('/forms/a', { method: 'POST', headers: OWN, body: 'x' }), 401, 'session_required');
    await assertErrorJson(await alice.send('/forms/a', { method: 'PATCH', headers: OWN, body: 'x' }), 405, 'method_not_allowed');
    assert.equal(site.requests.length, 0);
  });

  test('leaves a GET without body and type', async () => {
    await alice.script('/forms/a', { headers: { 'content-type': 'text/plain' } });
    const { method, headers } = lastAsked();
    assert.equal(method, 'GET');
    assert.equal(headers['content-type'], undefined);
  });
});

test('the origin is told who it is where a rule says so, and a client’s own words never arrive', async () => {
  const { sub } = gateway.cognito.users['alice@example.com'];
  const forged = { 'X-Auth-Subject': 'forged', 'X-Auth-Email': 'forged', 'X_Auth_Groups': 'forged', Connection: 'x-auth-subject' };
  for (const [path, init, expected] of [
    ['/me', {}, [sub, 'alice@example.com', 'admin']],
    ['/forms/a', { method: 'POST', body: 'x' }, [sub, 'alice@example.com', 'admin']],
    ['/app', {}, [undefined, undefined, undefined]],
  ]) {
    site.requests.length = 0;
    assert.equal((await alice.send(path, { ...init, headers: { ...OWN, ...forged } })).status, 200, path);
    const { headers } = lastAsked();
    assert.deepEqual([headers['x-auth-subject'], headers['x-auth-email'], headers['x-auth-groups']], expected, path);
    assert.doesNotMatch(JSON.stringify(headers), /forged/, path);
  }
});

test('a claim of the ID token opens a path', async () => {
  assert.equal((await alice.script('/pro/page')).status, 200);
  const bob = await gateway.signedIn({ email: 'bob@example.com' });
  await assertErrorJson(await bob.script('/pro/page'), 403, 'forbidden');
  const { rule, outcome, reason } = await lineFor('/pro/page');
  assert.deepEqual({ rule, outcome, reason }, { rule: '4', outcome: 'forbidden', reason: 'claim_missing' });
});

test('a rule that reports lets pass, for no shared cache, and its line says whom it would refuse', async () => {
  for (const [browser, path, reason] of [[nobody, '/lab/1', 'session_required'], [alice, '/lab/2', 'group_missing']]) {
    const response = await browser.navigate(`${path}?token=SeCrEt`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('cache-control'), /^private/);
    const { request_id: id, duration_ms: duration, session, ...line } = await lineFor(path);
    assert.ok(id && duration);
    assert.equal(session === undefined, browser === nobody);
    assert.deepEqual(line, {
      level: 'info', message: 'request', route: 'site', status: '200', method: 'GET', path, rule: '5', outcome: 'reported', reason,
    });
  }
  assert.equal((await nobody.script('/a.css')).headers.get('cache-control'), 'public, max-age=60');
});
