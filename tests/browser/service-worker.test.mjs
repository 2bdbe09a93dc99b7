// A site with a service worker that forwards page loads and has navigation preload on: the browser asks twice for each page, the
// callback among them.

import assert from 'node:assert/strict';
import { after } from 'node:test';

import { shows } from '../support/chromium.mjs';
import { startOrigin } from '../support/origin.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE } from '../support/start.mjs';

const WORKER = `
  addEventListener('install', () => skipWaiting());
  addEventListener('activate', (event) => event.waitUntil(registration.navigationPreload.enable().then(() => clients.claim())));
  addEventListener('fetch', (event) => { if (event.request.mode === 'navigate') event.respondWith(fetch(event.request)); });
`;

const site = await startOrigin((request, response) => {
  if (request.url === '/worker.js') {
    response.writeHead(200, { 'content-type': 'text/javascript', 'cache-control': 'no-cache' });
    response.end(WORKER);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'no-cache' });
  response.end(`<!doctype html><title>Site</title><link rel="icon" href="data:,"><h1>${request.url} of the site</h1>`);
});
after(() => site.close());

const RULES = JSON.stringify([{ path: '/', allow: 'public' }, { path: '/worker.js', allow: 'public' }, { path: '/*', allow: 'signed-in' }]);
const scenario = scenarios({ start: ['--var', `ORIGIN_URL=${site.origin}`, '--var', `RULES=${RULES}`] });

scenario('a callback that a service worker asks for twice ends at the return path', async ({ visitor, page, product }) => {
  await visitor.open('/');
  await page.evaluate(async () => {
    const controlled = new Promise((resolve) => { navigator.serviceWorker.addEventListener('controllerchange', resolve); });
    await navigator.serviceWorker.register('/worker.js');
    await controlled;
  });
  await visitor.open('/auth/login?return_to=/app/report');
  await visitor.signIn(ALICE);
  await visitor.untilAt('/app/report');
  await shows(page, 'h1', '/app/report of the site');
  assert.equal((await product.grants('authorization_code')).length, 1);
  assert.ok(product.output.match(/\bcallback\b.*\b303\b/g)?.length >= 2, `the callback was not asked for twice:\n${product.output}`);
});
