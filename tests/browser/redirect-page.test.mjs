// Cognito returns to a page of the app, which hands the code to `/auth/token`: `npm start -- --redirect-page`.

import assert from 'node:assert/strict';

import { NOTHING_STORED, historyOf, screenshot, shows, storagesOf } from '../support/chromium.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE, BOB } from '../support/start.mjs';

const DEEP_LINK = '/app/?view=reports';

const scenario = scenarios({ start: ['--redirect-page'] });

scenario('a deep link leads through the app\'s own return page back to itself', async ({ visitor, page, product }) => {
  const exchanged = page.waitForResponse(`${product.gateway}/auth/token`);
  await visitor.signInTo(DEEP_LINK, ALICE);
  await shows(page, '#deep-link', DEEP_LINK);
  const [authorize] = await product.requests('/oauth2/authorize');
  assert.equal(authorize.query.redirect_uri, `${product.gateway}/signed-in.html`);
  const answer = await exchanged;
  assert.equal(answer.status(), 200);
  assert.equal((await product.grants('authorization_code')).length, 1);
});

scenario('nothing of the sign-in stays in storages, cookies or the document', async ({ visitor, page }) => {
  await visitor.signInTo(DEEP_LINK, ALICE);
  await page.click('#call-api');
  await shows(page, '#api-result', 'Hello from the sample API.');
  assert.deepEqual(await storagesOf(page), NOTHING_STORED);
  assert.ok(!(await page.content()).includes('eyJ'), 'a token is written in the document');
  const cookies = await visitor.cookies();
  assert.deepEqual(await visitor.lastingCookies(), ['edgegate-session', 'edgegate-sign-ins']);
  assert.equal(cookies.get('edgegate-session').httpOnly, true);
});

scenario('the code leaves the address bar at once, and neither history nor a Referer holds it', async ({ visitor, page, product }) => {
  const referers = [];
  page.on('request', (request) => referers.push(request.headers().referer ?? ''));
  // Holds the exchange, to look at the page while it works.
  let goOn;
  const held = new Promise((resolve) => { goOn = resolve; });
  await page.route('**/auth/token', async (route) => {
    await held;
    await route.continue();
  });
  await visitor.open(DEEP_LINK);
  await visitor.signIn(ALICE);
  await shows(page, '#signed-in-heading', 'Signing you in');
  await page.waitForURL(`${product.gateway}/signed-in.html`);
  await screenshot(page, 'signing-in-en');
  goOn();

  await visitor.untilAt(DEEP_LINK);
  await shows(page, '#user-email', ALICE);
  const { addresses } = await historyOf(page);
  assert.ok(addresses.length >= 2);
  assert.ok(addresses.every((address) => !address.includes('code=')), addresses.join('\n'));
  assert.ok(referers.every((referer) => !referer.includes('code=')), referers.join('\n'));
});

scenario('signing out ends at Cognito and the deep link asks for the password again', async ({ visitor, page, product }) => {
  await visitor.signInTo(DEEP_LINK, BOB);
  await page.click('#sign-out');
  await visitor.untilAt('/');
  await shows(page, '#session-state', 'You are signed out.');
  assert.equal((await product.requests('/logout')).length, 1);
  await visitor.open(DEEP_LINK);
  await visitor.untilAtCognito();
});

scenario('a wrong state shows `state_mismatch`, signs nobody in and offers a new sign-in', async ({ visitor, page, product }) => {
  visitor.expectFault(/status of 400 .*\/auth\/token/);
  await visitor.open(DEEP_LINK);
  await visitor.untilAtCognito(); // a sign-in is under way
  await visitor.open('/signed-in.html?code=abcdefabcdefabcdefabcdefabcdefab&state=somebody-elses-state-0123456789abcdef012345');
  await shows(page, '#signed-in-heading', 'You are not signed in');
  await shows(page, '#notice .error-code', 'state_mismatch');
  assert.equal(page.url(), `${product.gateway}/signed-in.html`);
  assert.equal(await visitor.isSignedIn(), false);
  assert.equal((await product.requests('/oauth2/token')).length, 0);
  await screenshot(page, 'signed-in-error-en');

  await page.click('#sign-in');
  await visitor.signIn(ALICE);
  await visitor.untilAt('/app/');
  await shows(page, '#user-email', ALICE);
});

scenario('the return page with nothing to return from says so', async ({ visitor, page }) => {
  await visitor.open('/signed-in.html');
  await shows(page, '#notice', 'There is no sign-in to complete here.');
});

scenario('a cancelled sign-in is told on the return page', async ({ visitor, page, product }) => {
  await visitor.open(DEEP_LINK);
  await visitor.untilAtCognito();
  await page.click('button[name=cancel]');
  await shows(page, '#notice', 'The sign-in was not completed.');
  assert.equal(page.url(), `${product.gateway}/signed-in.html`);
});
