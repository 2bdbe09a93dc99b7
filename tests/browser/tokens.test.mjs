// What the user notices of access tokens that live for seconds: nothing, unless Cognito says no.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { isSameDocument, markDocument, screenshot, shows } from '../support/chromium.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE, BOB } from '../support/start.mjs';

const ACCESS_TTL_SECS = 6;
const PAST_ITS_END_MS = (ACCESS_TTL_SECS + 1) * 1000;

/** The gateway asks Cognito again after 10 to 13 s, and the page the gateway every 10 s. */
const UNTIL_TRIED_AGAIN_MS = 40_000;

const scenario = scenarios({ start: ['--access-ttl', String(ACCESS_TTL_SECS)] });

/** As if another tab were in view: the page renews nothing by itself. */
async function lookAway(page) {
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' });
    document.dispatchEvent(new Event('visibilitychange'));
  });
}

async function lookBack(page) {
  await page.evaluate(() => {
    delete document.visibilityState;
    document.dispatchEvent(new Event('visibilitychange'));
  });
}

/** Until `isReached` holds of the seconds that the page shows. */
async function untilCountdown(page, isReached, what) {
  const seen = [];
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(100)) {
    seen.push(await page.innerText('#token-expiry'));
    if (seen.at(-1) !== '–' && isReached(Number(seen.at(-1)))) return Number(seen.at(-1));
  }
  return assert.fail(`the countdown never ${what}: ${seen.join(' ')}`);
}

scenario('while it is in view the page renews its token by itself, and the countdown starts over', async ({ visitor, page, product }) => {
  await visitor.signInTo('/app/', ALICE);
  await markDocument(page);
  await untilCountdown(page, (secs) => secs <= 3, 'went down');
  await untilCountdown(page, (secs) => secs > 3, 'started over');
  await untilCountdown(page, (secs) => secs <= 3, 'went down again');
  assert.ok((await product.grants('refresh_token')).length >= 1);
  assert.ok(await isSameDocument(page));
});

scenario('after the token has expired an API call succeeds without the user noticing', async ({ visitor, page, product }) => {
  await visitor.signInTo('/app/?view=reports', ALICE);
  await untilCountdown(page, (secs) => secs > 0, 'began');
  await markDocument(page);
  await lookAway(page);
  await sleep(PAST_ITS_END_MS);
  await untilCountdown(page, (secs) => secs === 0, 'came to its end');
  const before = (await product.grants('refresh_token')).length;

  await page.click('#call-api');
  await shows(page, '#api-result', 'The API answered 200.');
  assert.equal((await product.grants('refresh_token')).length, before + 1);
  await untilCountdown(page, (secs) => secs > 0, 'went on');
  assert.ok(await isSameDocument(page));
  assert.equal(page.url(), `${product.gateway}/app/?view=reports`);
  assert.equal(await page.innerText('#notice'), '');
});

scenario('after the token has expired a reload stays signed in, with one refresh and no sign-in', async ({ visitor, page, product }) => {
  await visitor.signInTo('/app/?view=reports', ALICE);
  await lookAway(page);
  await sleep(PAST_ITS_END_MS);
  const before = (await product.grants('refresh_token')).length;
  await page.reload();
  await shows(page, '#user-email', ALICE);
  assert.equal(page.url(), `${product.gateway}/app/?view=reports`);
  assert.equal((await product.grants('refresh_token')).length, before + 1);
  assert.equal((await product.requests('/oauth2/authorize')).length, 1);
});

scenario('with rotating refresh tokens two tabs stay signed in through several renewals', async ({ visitor, page, product }) => {
  await product.set({ rotation: true, familyRevoke: true });
  await visitor.signInTo('/app/?view=one', ALICE);
  const second = await visitor.context.newPage();
  await visitor.open('/app/?view=two', second);
  await shows(second, '#user-email', ALICE);
  await sleep(2 * PAST_ITS_END_MS);

  for (const tab of [page, second]) {
    await tab.click('#call-api');
    await shows(tab, '#api-result', 'The API answered 200.');
    assert.equal(await tab.innerText('#notice'), '');
  }
  const sent = (await product.grants('refresh_token')).map(({ form }) => form.refresh_token);
  assert.ok(sent.length >= 2, `renewed ${sent.length} times`);
  assert.equal(new Set(sent).size, sent.length, 'no refresh token is sent twice');
  assert.equal(await visitor.isSignedIn(), true);
});

scenario('a user disabled at Cognito is out when the token ends: the API call says so, the page leads to the login', async ({
  visitor, page, product,
}) => {
  visitor.expectFault(/status of 401 .*\/auth\/refresh/);
  await visitor.signInTo('/app/?view=reports', BOB);
  await untilCountdown(page, (secs) => secs > 0, 'began');
  await lookAway(page);
  await product.setAccounts({ [BOB]: { enabled: false } });
  await sleep(PAST_ITS_END_MS);

  await page.click('#call-api');
  await shows(page, '#notice', 'Your session has ended. Sign in to go on.');
  await shows(page, '#notice .error-code', 'refresh_rejected');
  await shows(page, '#token-expiry', '–');
  assert.equal(await page.innerText('#api-result'), '');
  await screenshot(page, 'app-session-ended-en');
  assert.equal(await visitor.isSignedIn(), false);

  await page.reload();
  await visitor.signIn(BOB);
  await shows(page, '[role=alert]', 'User is disabled.');

  await product.setAccounts({ [BOB]: { enabled: true } });
  await visitor.signIn(BOB);
  await visitor.untilAt('/app/?view=reports');
  await shows(page, '#user-email', BOB);
});

scenario('the link of the notice that the session has ended leads back to the same page', async ({ visitor, page, product }) => {
  visitor.expectFault(/status of 401 .*\/auth\/refresh/);
  await visitor.signInTo('/app/?view=reports', BOB);
  await product.setAccounts({ [BOB]: { enabled: false } });
  // The page is in view: its own renewal finds out.
  await shows(page, '#notice', 'Your session has ended.');
  await product.setAccounts({ [BOB]: { enabled: true } });
  await page.click('#notice #sign-in');
  await visitor.untilAt('/app/?view=reports');
  await shows(page, '#user-email', BOB);
});

scenario('while Cognito is down the token serves to its end', async ({ visitor, page, product }) => {
  await product.set({ accessTtl: 60 });
  await visitor.signInTo('/app/', ALICE);
  await untilCountdown(page, (secs) => secs > 0, 'began');
  await lookAway(page);
  await product.set({ tokenFault: '500' });
  await page.click('#call-api');
  await shows(page, '#api-result', 'The API answered 200.');
  await page.reload();
  await shows(page, '#user-email', ALICE);
  assert.equal(await page.innerText('#notice'), '');
});

scenario('past the token\'s end pages stay open while Cognito is down, say so gently, and recover by themselves', async ({
  visitor, page, product,
}) => {
  visitor.expectFault(/status of 503/);
  await visitor.signInTo('/app/?view=reports', ALICE);
  await lookAway(page);
  await product.set({ tokenFault: '500' });
  await sleep(PAST_ITS_END_MS);

  const answer = await page.reload();
  assert.equal(answer.status(), 200);
  assert.equal(page.url(), `${product.gateway}/app/?view=reports`);
  await shows(page, '#notice', 'You are still signed in, and this page tries again by itself.');
  await shows(page, '#notice .error-code', 'idp_unavailable');
  assert.equal(await page.getAttribute('#notice', 'data-kind'), 'info');
  await page.click('#call-api');
  await shows(page, '#api-result', 'The API could not be called just now. You are still signed in');
  await screenshot(page, 'app-cognito-down-en');

  await markDocument(page);
  await product.set({ tokenFault: null });
  await shows(page, '#user-email', ALICE, UNTIL_TRIED_AGAIN_MS);
  await page.locator('#notice :text("tries again")').waitFor({ state: 'detached' });
  await page.click('#call-api');
  await shows(page, '#api-result', 'The API answered 200.');
  assert.ok(await isSameDocument(page));
  assert.equal((await product.requests('/oauth2/authorize')).length, 1);
});

scenario('a page for a group says that Cognito is down, and `Try again` opens it afterwards', async ({ visitor, page, product }) => {
  visitor.expectFault(/status of 503 .*\/admin\//);
  await visitor.signInTo('/admin/', ALICE);
  await product.set({ tokenFault: '500' });
  await sleep(PAST_ITS_END_MS);

  await page.reload();
  await shows(page, '#error-code', 'idp_unavailable');
  assert.ok((await visitor.cookies()).has('edgegate-session'));
  await screenshot(page, 'idp_unavailable-en');

  await product.set({ tokenFault: null });
  const deadline = Date.now() + UNTIL_TRIED_AGAIN_MS;
  while (await page.locator('#error-code').isVisible() && Date.now() < deadline) {
    await page.click('a.main');
    await page.waitForLoadState();
    await sleep(500);
  }
  await shows(page, '#user-email', ALICE);
  assert.equal(page.url(), `${product.gateway}/admin/`);
});

scenario('a page that comes back into view after the session has ended elsewhere says so', async ({ visitor, page }) => {
  await visitor.signInTo('/app/', ALICE);
  await lookAway(page);
  const other = await visitor.context.newPage();
  await visitor.open('/app/', other);
  // Its own start-up must be over, or the sign-out overtakes it.
  await shows(other, '#user-email', ALICE);
  await other.click('#sign-out');
  await visitor.untilAt('/', other);
  await lookBack(page);
  await shows(page, '#notice', 'Your session has ended.');
  await shows(page, '#notice .error-code', 'session_required');
});
