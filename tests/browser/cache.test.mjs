// A fronted site whose origin lets browsers keep its pages: what the browser's own cache gives out after signing out.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after } from 'node:test';

import { shows } from '../support/chromium.mjs';
import { eventually } from '../support/eventually.mjs';
import { startOrigin } from '../support/origin.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE, BOB } from '../support/start.mjs';

const CLIENT_MODULE = readFileSync(new URL('../../static/assets/auth.js', import.meta.url));

/**
 * Every path is a page with links to the others, to be kept for ten minutes, as a CloudFront site has it; one is to be asked for again
 * each time, which browsers do for a link and not for the back button.
 */
const fetched = [];
const site = await startOrigin((request, response) => {
  if (request.url === '/assets/auth.js') {
    response.writeHead(200, { 'content-type': 'text/javascript' });
    return response.end(CLIENT_MODULE);
  }
  fetched.push(request.url);
  response.writeHead(200, { 'content-type': 'text/html', 'cache-control': request.url === '/asked-again/' ? 'no-cache' : 'public, max-age=600' });
  return response.end(`<!doctype html><title>Site</title><link rel="icon" href="data:,"><h1>${request.url} of the site</h1>
    <a href="/">start</a> <a href="/app/">app</a> <a href="/admin/">admin</a> <a href="/asked-again/">asked again</a>
    <form method="post" action="/auth/logout"><button>Sign out</button></form> <p><button id="by-script">Sign out by script</button>
    <script type="module">
      import { logout } from "/assets/auth.js";
      document.querySelector("#by-script").onclick = () => logout();
    </script>`);
});
after(() => site.close());

const scenario = scenarios({ start: ['--var', `ORIGIN_URL=${site.origin}`] });

/** From the app to the administration by a click, as most page views come about. */
async function visitAdminAsAlice({ visitor, page }) {
  await visitor.open('/app/');
  await visitor.signIn(ALICE);
  await visitor.untilAt('/app/');
  await page.click('a[href="/admin/"]');
  await shows(page, 'h1', '/admin/ of the site');
}

async function signOut({ visitor, page }) {
  await page.click('form button');
  await visitor.untilAt('/');
}

scenario('while signed in the browser\'s cache saves the request, as the origin wants it', async (stage) => {
  const { page } = stage;
  await visitAdminAsAlice(stage);
  await page.click('a[href="/"]');
  await shows(page, 'h1', '/ of the site');
  const before = fetched.length;
  await page.click('a[href="/admin/"]');
  await shows(page, 'h1', '/admin/ of the site');
  assert.equal(fetched.length, before);
});

scenario('after signing out a link to a gated page leads to the sign-in, whatever the cache holds', async (stage) => {
  const { visitor, page } = stage;
  await visitAdminAsAlice(stage);
  await signOut(stage);
  await page.click('a[href="/admin/"]');
  await visitor.untilAtCognito();
});

scenario('after signing out the back button leads to the sign-in, whatever the cache holds', async (stage) => {
  const { visitor, page } = stage;
  await visitAdminAsAlice(stage);
  await signOut(stage);
  await page.evaluate(() => { history.back(); });
  await visitor.untilAtCognito();
});

/** Whether the cache has a page: asked of the cache alone. */
function isKept(page, path) {
  return page.evaluate((url) => fetch(url, { cache: 'only-if-cached', mode: 'same-origin' }).then((response) => response.ok, () => false), path);
}

for (const [what, button] of [['a form', 'form button'], ['a script', '#by-script']]) {
  scenario(`signing out by ${what} takes every gated page out of the cache, also what the back button would show unasked`, async ({ visitor, page }) => {
    visitor.allowFault(/Failed to load resource: net::ERR_(CACHE_MISS|FAILED)|only-if-cached/);
    await visitor.open('/app/');
    await visitor.signIn(ALICE);
    await visitor.untilAt('/app/');
    await page.click('a[href="/asked-again/"]');
    await shows(page, 'h1', '/asked-again/ of the site');
    await page.click('a[href="/app/"]');
    await shows(page, 'h1', '/app/ of the site');
    assert.equal(await isKept(page, '/asked-again/'), true);

    await page.click(button);
    await visitor.untilAt('/');
    await eventually(async () => !(await isKept(page, '/asked-again/')), 'the page, gone from the cache');
    await page.evaluate(() => { history.go(-2); });
    await visitor.untilAtCognito();
  });
}

scenario('who signs in next on this browser gets no page out of the cache of who was there before', async (stage) => {
  const { visitor, page } = stage;
  visitor.expectFault(/status of 403 .*\/admin\//);
  await visitAdminAsAlice(stage);
  await signOut(stage);
  await visitor.open('/auth/login?return_to=/app/');
  await visitor.signIn(BOB);
  await visitor.untilAt('/app/');
  await page.click('a[href="/admin/"]');
  await shows(page, '#error-code', 'forbidden');
});
scenario('who takes the browser over, without the other having signed out, gets no page out of the cache either', async (stage) => {
  const { visitor, page } = stage;
  visitor.expectFault(/status of 403 .*\/admin\//);
  await visitAdminAsAlice(stage);
  await visitor.open('/auth/login?return_to=/app/&prompt=login');
  await visitor.signIn(BOB);
  await visitor.untilAt('/app/');
  await page.click('a[href="/admin/"]');
  await shows(page, '#error-code', 'forbidden');
});
