// Signing in and out, as somebody at a browser sees it.

import assert from 'node:assert/strict';

import { NOTHING_STORED, historyOf, screenshot, shows, storagesOf } from '../support/chromium.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE, BOB } from '../support/start.mjs';

const DEEP_LINK = '/app/?view=reports';
const FIVE_DAYS_SECS = 432_000;

const scenario = scenarios();

scenario('a deep link leads through the sign-in back to itself, query included', async ({ visitor, page, product }) => {
  await visitor.open(DEEP_LINK);
  await visitor.signIn(ALICE);
  await visitor.untilAt(DEEP_LINK);
  await shows(page, '#user-email', ALICE);
  await shows(page, '#deep-link', DEEP_LINK);

  const [authorize] = await product.requests('/oauth2/authorize');
  assert.equal(authorize.query.code_challenge_method, 'S256');
  assert.equal((await product.grants('authorization_code')).length, 1);
  const { addresses } = await historyOf(page);
  assert.ok(addresses.every((address) => !address.includes('code=')), addresses.join('\n'));
});

scenario('a sign-in link that Chromium has prefetched works when it is clicked', async ({ visitor, page, product }) => {
  visitor.expectFault(/status of 503/);
  await visitor.open('/');
  const link = await page.getAttribute('#sign-in', 'href');
  const prefetched = page.waitForResponse((response) => response.url() === product.gateway + link);
  await page.evaluate((href) => {
    const element = document.createElement('link');
    Object.assign(element, { rel: 'prefetch', href });
    document.head.append(element);
  }, link);
  assert.equal((await prefetched).status(), 503);
  assert.equal((await product.requests('/oauth2/authorize')).length, 0);
  await page.click('#sign-in');
  await visitor.signIn(ALICE);
  await visitor.untilAt('/app/');
  await shows(page, '#user-email', ALICE);
});

scenario('nothing of the sign-in is in reach of scripts but the access token in memory', async ({ visitor, page, product }) => {
  const bodies = [];
  page.on('response', (response) => {
    if (response.url().startsWith(product.gateway)) bodies.push(response.text().catch(() => ''));
  });
  await visitor.signInTo(DEEP_LINK, ALICE);
  await page.click('#refresh');
  await shows(page, '#refresh-result', 'Refreshed.');
  await page.click('#call-api');
  await shows(page, '#api-result', 'Hello from the sample API.');

  assert.deepEqual(await storagesOf(page), NOTHING_STORED);
  assert.ok(!(await page.content()).includes('eyJ'), 'a token is written in the document');
  const [{ form }] = await product.grants('refresh_token');
  const received = await Promise.all(bodies);
  assert.ok(received.some((body) => body.includes('"access_token"')), 'the answers were looked at');
  assert.ok(received.every((body) => !body.includes(form.refresh_token) && !body.includes('id_token')));
});

scenario('the session cookie is HttpOnly and Lax, and beside it a login leaves only the count of sign-ins', async ({ visitor }) => {
  await visitor.signInTo(DEEP_LINK, ALICE);
  const cookies = await visitor.cookies();
  assert.deepEqual(await visitor.lastingCookies(), ['edgegate-session', 'edgegate-sign-ins']);
  const { httpOnly, sameSite, path, domain, expires } = cookies.get('edgegate-session');
  assert.deepEqual({ httpOnly, sameSite, path, domain }, { httpOnly: true, sameSite: 'Lax', path: '/', domain: 'localhost' });
  const lifeSecs = expires - Date.now() / 1000;
  assert.ok(Math.abs(lifeSecs - FIVE_DAYS_SECS) < 60, `it lives ${lifeSecs} s`);
});

scenario('a reload stays signed in without asking Cognito', async ({ visitor, page, product }) => {
  await visitor.signInTo(DEEP_LINK, ALICE);
  const before = (await product.requests()).length;
  await page.reload();
  await shows(page, '#user-email', ALICE);
  assert.equal(page.url(), product.gateway + DEEP_LINK);
  assert.equal((await product.requests()).length, before);
});

scenario('the app calls the API as the user who signed in', async ({ visitor, page }) => {
  await visitor.signInTo('/app/', ALICE);
  await page.click('#call-api');
  await shows(page, '#api-result', 'The API answered 200.');
  await shows(page, '#api-result', 'Hello from the sample API.');
  await shows(page, '#api-result', '"admin"');
});

scenario('signing out ends the session here and at Cognito, and the deep link asks for the password again', async ({
  visitor, page, product,
}) => {
  await visitor.signInTo(DEEP_LINK, ALICE);
  await page.click('#sign-out');
  await visitor.untilAt('/');
  await shows(page, '#session-state', 'You are signed out.');

  assert.deepEqual(await visitor.lastingCookies(), ['edgegate-sign-ins'], 'for a minute, and no session');
  const [logout] = await product.requests('/logout');
  assert.equal(logout.query.logout_uri, `${product.gateway}/`);
  assert.equal((await product.requests('/oauth2/revoke')).length, 1);

  await visitor.open(DEEP_LINK);
  await visitor.untilAtCognito();
  await page.locator('input[name=password]').waitFor();
});

scenario('without a session here, Cognito\'s own cookie signs in without a password', async ({ visitor, page, product }) => {
  await visitor.signInTo(DEEP_LINK, ALICE);
  await visitor.context.clearCookies({ name: 'edgegate-session' });
  await visitor.open(DEEP_LINK);
  await visitor.untilAt(DEEP_LINK);
  await shows(page, '#user-email', ALICE);
  assert.equal((await product.grants('authorization_code')).length, 2);
});

scenario('the start page signs in, knows the user and signs out', async ({ visitor, page }) => {
  await visitor.open('/');
  await shows(page, '#session-state', 'You are signed out.');
  await page.click('#sign-in');
  await visitor.signIn(BOB);
  await visitor.untilAt('/app/');
  await shows(page, '#user-email', BOB);

  await visitor.open('/');
  await shows(page, '#signed-in-as', BOB);
  await page.click('#sign-out');
  await visitor.untilAt('/');
  await shows(page, '#session-state', 'You are signed out.');
  assert.equal(await visitor.isSignedIn(), false);
});

scenario('the page of the sign-out signs out by its button, and then says so and leads to the start page', async ({
  visitor, page, product,
}) => {
  await visitor.signInTo(DEEP_LINK, ALICE);
  await visitor.open('/auth/logout');
  await shows(page, 'h1', 'Sign out');
  await screenshot(page, 'sign-out');
  assert.equal(await visitor.isSignedIn(), true, 'by itself it ends nothing');
  await page.click('form button');
  await visitor.untilAt('/');
  await shows(page, '#session-state', 'You are signed out.');
  assert.equal((await product.requests('/logout')).length, 1);
  assert.equal(await visitor.isSignedIn(), false);

  await visitor.open('/auth/logout');
  await shows(page, 'h1', 'You are not signed in');
  await screenshot(page, 'signed-out');
  assert.equal(await page.locator('form').count(), 0);
  await page.click('.actions a');
  await visitor.untilAt('/');
});

scenario('who lacks the group gets the page `forbidden`, and its button signs out for another account', async ({
  visitor, page, product,
}) => {
  visitor.expectFault(/status of 403 .*\/admin\//);
  await visitor.open('/admin/');
  await visitor.signIn(BOB);
  await visitor.untilAt('/admin/');
  await shows(page, '#error-code', 'forbidden');
  assert.equal(await visitor.isSignedIn(), true);

  await page.click('form button');
  await visitor.untilAt('/');
  await shows(page, '#session-state', 'You are signed out.');
  assert.equal((await product.requests('/logout')).length, 1);

  await visitor.signInTo('/admin/', ALICE);
  await shows(page, 'h1', 'Administration');
  await shows(page, '#user-groups', 'admin');
});

scenario('the app\'s sign-out form works without JavaScript', async ({ visitor, page, product }) => {
  await visitor.open('/app/');
  await visitor.signIn(ALICE);
  await visitor.untilAt('/app/');
  await page.click('#sign-out');
  await visitor.untilAt('/');
  assert.equal((await product.requests('/logout')).length, 1);
  assert.equal(await visitor.isSignedIn(), false);
}, { javaScriptEnabled: false });

scenario('a cancelled sign-in shows `login_denied`, from where a new one leads to the deep link', async ({ visitor, page }) => {
  visitor.expectFault(/status of 403 .*\/auth\/callback/);
  await visitor.open(DEEP_LINK);
  await visitor.untilAtCognito();
  await page.click('button[name=cancel]');
  await shows(page, '#error-code', 'login_denied');
  assert.deepEqual([...(await visitor.cookies()).keys()], []);

  await page.click('a.main');
  await visitor.signIn(ALICE);
  await visitor.untilAt(DEEP_LINK);
  await shows(page, '#user-email', ALICE);
});

scenario('a wrong password is Cognito\'s to tell, and the right one then arrives', async ({ visitor, page }) => {
  await visitor.open(DEEP_LINK);
  await visitor.signIn(ALICE, page, 'wrong');
  await shows(page, '[role=alert]', 'Incorrect username or password.');
  await visitor.signIn(ALICE);
  await visitor.untilAt(DEEP_LINK);
  await shows(page, '#user-email', ALICE);
});

const LANGUAGES = [
  {
    name: 'English', locale: 'en-GB', lang: 'en', landing: 'Sign-in at the edge', cognito: 'Sign in', app: 'Hello, Alice Kim',
    admin: 'Administration', forbidden: 'You are signed in', denied: 'cancelled',
  },
  {
    name: 'Korean', locale: 'ko-KR', lang: 'ko', landing: '엣지 로그인', cognito: '로그인', app: 'Alice Kim 님, 안녕하세요',
    admin: '관리', forbidden: '로그인되어 있지만', denied: '취소되었습니다',
  },
];

for (const { name, locale, lang, ...words } of LANGUAGES) {
  scenario(`every page on the way is in ${name} for a browser that asks for it`, async ({ visitor, page, newVisitor }) => {
    const isIn = async (where, selector, text, on = page) => {
      await shows(on, selector, text);
      assert.equal(await on.getAttribute('html', 'lang'), lang, where);
      await screenshot(on, `${where}-${lang}`);
    };
    await visitor.open('/');
    await page.locator('#sign-in').waitFor();
    await isIn('landing', 'h1', words.landing);
    await page.click('#sign-in');
    await visitor.untilAtCognito();
    await isIn('cognito', 'h1', words.cognito);
    await visitor.signIn(ALICE);
    await shows(page, '#user-email', ALICE);
    await page.locator('#token-unit').waitFor();
    await page.click('#call-api');
    await shows(page, '#api-result', 'Hello from the sample API.');
    await isIn('app', '#greeting', words.app);
    await page.click('#link-admin');
    await shows(page, '#user-email', ALICE);
    await isIn('admin', 'h1', words.admin);

    const other = await newVisitor();
    other.expectFault(/status of 403/);
    await other.open('/admin/');
    await other.untilAtCognito();
    await other.page.click('button[name=cancel]');
    await isIn('login_denied', 'main', words.denied, other.page);
    await other.open('/admin/');
    await other.signIn(BOB);
    await isIn('forbidden', 'main', words.forbidden, other.page);
  }, { locale });
}
