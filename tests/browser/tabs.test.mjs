// Several tabs, and the buttons of the browser itself.

import assert from 'node:assert/strict';

import { Visitor, isSameDocument, launchChromium, markDocument, shows } from '../support/chromium.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE, BOB } from '../support/start.mjs';

const scenario = scenarios();

/** The address of the callback, which the browser passes through. */
async function signInCatchingCallback(visitor, address, email) {
  const caught = visitor.page.waitForRequest((request) => request.url().includes('/auth/callback?'));
  await visitor.signInTo(address, email);
  return (await caught).url();
}

for (const order of ['the first tab first', 'the second tab first']) {
  scenario(`two tabs that both began to sign in both arrive at their links, ${order}`, async ({ visitor, page, product }) => {
    const second = await visitor.context.newPage();
    await visitor.open('/app/?view=one', page);
    await visitor.untilAtCognito(page);
    await visitor.open('/app/?view=two', second);
    await visitor.untilAtCognito(second);

    const tabs = [[page, '/app/?view=one'], [second, '/app/?view=two']];
    if (order === 'the second tab first') tabs.reverse();
    for (const [tab, address] of tabs) {
      await visitor.signIn(ALICE, tab);
      await visitor.untilAt(address, tab);
      await shows(tab, '#user-email', ALICE);
    }
    for (const [tab, address] of tabs) {
      await tab.reload();
      await shows(tab, '#user-email', ALICE);
      assert.equal(tab.url(), product.gateway + address);
    }
    assert.deepEqual(await visitor.lastingCookies(), ['edgegate-session', 'edgegate-sign-ins']);
  });
}

scenario('of six sign-ins begun at once the oldest has made room, and yet arrives at its link', async ({ visitor, page, product }) => {
  await visitor.open('/app/?view=oldest');
  await visitor.untilAtCognito();
  for (let number = 1; number <= 5; number += 1) {
    const tab = await visitor.context.newPage();
    await visitor.open(`/app/?view=${number}`, tab);
    await visitor.untilAtCognito(tab);
    await tab.close();
  }
  assert.equal([...(await visitor.cookies()).keys()].filter((name) => name.startsWith('edgegate-login-')).length, 5);
  await visitor.signIn(ALICE);
  await visitor.untilAt('/app/?view=oldest'); // by another login, which Cognito's cookie makes silent
  await shows(page, '#user-email', ALICE);
  assert.equal((await product.grants('authorization_code')).length, 1);
});

scenario('a tab whose session was replaced by another sign-in works on with the new one', async ({ visitor, page, product }) => {
  await visitor.signInTo('/app/?view=stale', ALICE);
  const before = (await visitor.cookies()).get('edgegate-session').value;
  await markDocument(page);
  const other = await visitor.context.newPage();
  await visitor.open('/auth/login?return_to=/app/', other);
  await visitor.untilAt('/app/', other); // Cognito's cookie signs in
  assert.notEqual((await visitor.cookies()).get('edgegate-session').value, before);

  await page.click('#refresh');
  await shows(page, '#refresh-result', 'Refreshed.');
  await page.click('#call-api');
  await shows(page, '#api-result', 'The API answered 200.');
  assert.ok(await isSameDocument(page));
  await page.reload();
  await shows(page, '#user-email', ALICE);
  assert.equal((await product.grants('authorization_code')).length, 2);
});

scenario('after somebody else has signed in in another tab, a reload shows them', async ({ visitor, page }) => {
  await visitor.signInTo('/app/', ALICE);
  const other = await visitor.context.newPage();
  await visitor.open('/auth/login?return_to=/app/&prompt=login', other);
  await visitor.signIn(BOB, other);
  await shows(other, '#user-email', BOB);
  await page.reload();
  await shows(page, '#user-email', BOB);
});

scenario('the back button after a sign-in leads to Cognito\'s page, and signing in there once more arrives', async ({
  visitor, page, product,
}) => {
  await visitor.signInTo('/app/?view=reports', ALICE);
  await page.goBack();
  await visitor.signIn(ALICE);
  // The state has been used; the browser is signed in, so it is not an error.
  await page.waitForURL((url) => url.origin === product.gateway && url.pathname !== '/auth/callback');
  assert.equal(page.url(), `${product.gateway}/app/?view=reports`);
  await shows(page, '#user-email', ALICE);
});

scenario('back and forward again after a sign-in shows the page', async ({ visitor, page, product }) => {
  await visitor.signInTo('/app/?view=reports', ALICE);
  await page.goBack();
  await visitor.untilAtCognito();
  await page.goForward();
  await shows(page, '#user-email', ALICE);
  assert.equal(page.url(), `${product.gateway}/app/?view=reports`);
});

scenario('a callback that is loaded once more while signed in goes on to its link', async ({ visitor, page, product }) => {
  const callback = await signInCatchingCallback(visitor, '/app/?view=reports', ALICE);
  const before = (await visitor.cookies()).get('edgegate-session').value;
  await page.goto(callback);
  assert.equal(page.url(), `${product.gateway}/app/?view=reports`);
  await shows(page, '#user-email', ALICE);
  assert.equal((await visitor.cookies()).get('edgegate-session').value, before);
  assert.equal((await product.grants('authorization_code')).length, 1);
});

scenario('a callback that is loaded in another browser leads to a sign-in of its own, and its code is not used', async ({
  visitor, newVisitor, product,
}) => {
  const callback = await signInCatchingCallback(visitor, '/app/?view=reports', ALICE);
  const stranger = await newVisitor();
  await stranger.page.goto(callback);
  await stranger.untilAtCognito();
  assert.equal((await product.grants('authorization_code')).length, 1);
  await stranger.signIn(BOB);
  await stranger.untilAt('/');
  await shows(stranger.page, '#signed-in-as', BOB);
});

for (const backForwardCache of [true, false]) {
  const how = backForwardCache ? 'with the page still in memory' : 'with the page in the cache on disk';
  scenario(`the back button after signing out leads to the sign-in and shows nothing of the page, ${how}`, async ({ product }) => {
    const browser = await launchChromium({ backForwardCache });
    try {
      const visitor = await Visitor.arrive(browser, product);
      const { page } = visitor;
      await visitor.signInTo('/admin/', ALICE);
      let restored = false;
      page.on('console', (message) => { restored ||= message.text() === 'out of the back/forward cache'; });
      await page.evaluate(() => addEventListener('pageshow', ({ persisted }) => {
        if (persisted) console.info('out of the back/forward cache');
      }));
      await page.click('#sign-out');
      await visitor.untilAt('/');

      await page.evaluate(() => { history.back(); });
      await visitor.untilAtCognito();
      assert.equal(restored, backForwardCache);
      await visitor.signIn(ALICE);
      await visitor.untilAt('/admin/');
      visitor.assertNoFaults();
    } finally {
      await browser.close();
    }
  });
}
