// A gated page in a frame: Cognito's pages refuse to be framed, so the sign-in must be in the whole window.

import assert from 'node:assert/strict';
import { after } from 'node:test';

import { shows } from '../support/chromium.mjs';
import { startOrigin } from '../support/origin.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE, BOB } from '../support/start.mjs';

/** The start page has two frames, of a page for everybody who has signed in and of one for a group. */
const site = await startOrigin((request, response) => {
  response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'no-cache' });
  const frames = '<iframe name="app" src="/app/report?x=1" width="700" height="400"></iframe><iframe name="admin" src="/admin/"></iframe>';
  response.end(`<!doctype html><title>Site</title><link rel="icon" href="data:,"><h1>${request.url} of the site</h1>
    ${request.url === '/' ? frames : ''}`);
});
after(() => site.close());

const scenario = scenarios({ start: ['--var', `ORIGIN_URL=${site.origin}`] });

scenario('a gated page in a frame offers a sign-in in the whole window, which leads to that page', async ({ visitor, page }) => {
  visitor.expectFault(/status of 401 .*\/app\/report/);
  visitor.expectFault(/status of 401 .*\/admin\//);
  await visitor.open('/');
  const frame = page.frame('app');
  await shows(frame, 'h1', 'You are not signed in');
  await shows(frame, '#error-code', 'session_required');
  await frame.click('a.main');
  await visitor.signIn(ALICE);
  await visitor.untilAt('/app/report?x=1');
  await visitor.open('/');
  await shows(page.frame('app'), 'h1', '/app/report?x=1 of the site');
  await shows(page.frame('admin'), 'h1', '/admin/ of the site');
});

scenario('who may not see a page is told so in the frame, and signs out in the whole window', async ({ visitor, page, product }) => {
  visitor.expectFault(/status of 403 .*\/admin\//);
  visitor.allowFault(/status of 401 /);
  await visitor.open('/auth/login?return_to=/');
  await visitor.signIn(BOB);
  await visitor.untilAt('/');
  const frame = page.frame('admin');
  await shows(frame, '#error-code', 'forbidden');
  await Promise.all([page.waitForEvent('framenavigated', (each) => each === page.mainFrame()), frame.click('form button')]);
  await visitor.untilAt('/');
  assert.equal((await product.requests('/logout')).length, 1);
  assert.equal(await visitor.isSignedIn(), false);
});

scenario('a page of another origin cannot frame it', async ({ visitor, page }) => {
  visitor.expectFault(/frame-ancestors/);
  visitor.allowFault(/status of 401 /);
  await page.goto(`${site.origin}/elsewhere`);
  await page.evaluate((url) => new Promise((resolve) => {
    document.body.append(Object.assign(document.createElement('iframe'), { src: url, onload: resolve }));
  }), `${visitor.product.gateway}/app/report`);
  const [frame] = page.frames().filter((each) => each !== page.mainFrame());
  assert.equal(await frame.locator('a.main').count(), 0);
});
