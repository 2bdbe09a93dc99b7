// A sibling host of the site: another origin of the same site, so that the browser sends the Lax cookie along. One that is in
// ALLOWED_ORIGINS may call the JSON routes as the user, as far as CORS says; one that is not may do nothing, though it is as near.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after } from 'node:test';

import { scenarios } from '../support/scenario.mjs';
import { ALICE } from '../support/start.mjs';

async function startSibling() {
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<!doctype html><title>Sibling</title><link rel="icon" href="data:,"><p>Sibling</p>');
  });
  server.listen(0);
  await once(server, 'listening');
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${server.address().port}`;
}

const [allowed, stranger] = [await startSibling(), await startSibling()];
const scenario = scenarios({ start: ['--var', `ALLOWED_ORIGINS=${allowed}`] });

/** Signs Alice in and opens the sibling in a second tab. */
async function openSibling({ visitor }, origin) {
  await visitor.signInTo('/app/', ALICE);
  const sibling = await visitor.context.newPage();
  await sibling.goto(`${origin}/`);
  return sibling;
}

/** What a script of that page gets: the status and the body's members, or the name of the error. */
function attempt(page, gateway, path, init = {}) {
  return page.evaluate(async ([url, options]) => {
    try {
      const response = await fetch(url, { credentials: 'include', ...options });
      return { status: response.status, body: await response.json() };
    } catch (error) {
      return error.name;
    }
  }, [gateway + path, init]);
}

const JSON_POST = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"force":true}' };

scenario('an allowed sibling reads who is signed in, gets a token and signs out', async (stage) => {
  const { product: { gateway }, visitor } = stage;
  const sibling = await openSibling(stage, allowed);
  assert.equal((await attempt(sibling, gateway, '/user-info')).body.email, ALICE);
  assert.equal((await attempt(sibling, gateway, '/auth/status')).body.authenticated, true);
  const refreshed = await attempt(sibling, gateway, '/auth/refresh', JSON_POST);
  assert.equal(refreshed.status, 200);
  assert.match(refreshed.body.access_token, /^ey/);
  const signedOut = await attempt(sibling, gateway, '/auth/logout', { method: 'POST' });
  assert.equal(signedOut.body.success, true);
  assert.equal(await visitor.isSignedIn(), false);
});

scenario('an allowed sibling can read an error as well, and no page of the site', async (stage) => {
  stage.visitor.expectFault(/status of 401 .*\/user-info/);
  stage.visitor.expectFault(/blocked by CORS policy/);
  stage.visitor.expectFault(/Failed to load resource/);
  const sibling = await openSibling(stage, allowed);
  assert.equal(await attempt(sibling, stage.product.gateway, '/app/'), 'TypeError');
  await attempt(sibling, stage.product.gateway, '/auth/logout', { method: 'POST' });
  const { status, body } = await attempt(sibling, stage.product.gateway, '/user-info');
  assert.deepEqual([status, body.error], [401, 'session_required']);
});

scenario('an allowed sibling may send the headers of its own tools, and no method but those of the contract', async (stage) => {
  stage.visitor.expectFault(/blocked by CORS policy/);
  stage.visitor.expectFault(/Failed to load resource/);
  stage.visitor.expectFault(/status of 401 .*\/app\//);
  const sibling = await openSibling(stage, allowed);
  const { gateway } = stage.product;
  assert.equal(await attempt(sibling, gateway, '/auth/refresh', { method: 'PUT' }), 'TypeError');
  const headers = { 'sentry-trace': 'a-b-1', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'x-requested-with': 'fetch' };
  assert.equal((await attempt(sibling, gateway, '/auth/refresh', { method: 'POST', headers })).status, 200);
  assert.equal((await attempt(sibling, gateway, '/user-info', { headers })).body.email, ALICE);
  // A gated path: the preflight, which has no cookie, gets leave; who has signed out then reads why there is no page.
  await attempt(sibling, gateway, '/auth/logout', { method: 'POST', headers });
  const { status, body } = await attempt(sibling, gateway, '/app/', { headers });
  assert.deepEqual([status, body.error], [401, 'session_required']);
});

scenario('a sibling that is not allowed can do none of it', async (stage) => {
  stage.visitor.expectFault(/blocked by CORS policy/);
  stage.visitor.expectFault(/Failed to load resource/);
  const { product: { gateway }, visitor } = stage;
  const sibling = await openSibling(stage, stranger);
  for (const [path, init] of [
    ['/user-info'], ['/auth/status'], ['/auth/refresh', JSON_POST], ['/auth/refresh', { method: 'POST' }], ['/auth/logout', { method: 'POST' }],
  ]) {
    assert.equal(await attempt(sibling, gateway, path, init), 'TypeError', path);
  }
  assert.equal(await visitor.isSignedIn(), true);
});
