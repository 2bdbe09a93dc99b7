// The gateway on https, as in production: `npm start -- --https`.

import assert from 'node:assert/strict';

import { NOTHING_STORED, shows, storagesOf } from '../support/chromium.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE, BOB } from '../support/start.mjs';

const DEEP_LINK = '/app/?view=reports';

const scenario = scenarios({ start: ['--https'], context: { ignoreHTTPSErrors: true } });

scenario('over https the deep link, the API and signing out work', async ({ visitor, page, product }) => {
  await visitor.signInTo(DEEP_LINK, ALICE);
  await page.click('#call-api');
  await shows(page, '#api-result', 'The API answered 200.');
  assert.deepEqual(await storagesOf(page), NOTHING_STORED);

  await page.click('#sign-out');
  await visitor.untilAt('/');
  await shows(page, '#session-state', 'You are signed out.');
  assert.deepEqual(await visitor.lastingCookies(), ['__Host-sign-ins'], 'for a minute, and no session');
  assert.equal((await product.requests('/logout')).length, 1);
  await visitor.open(DEEP_LINK);
  await visitor.untilAtCognito();
});

scenario('over https the cookies have the names and attributes of production', async ({ visitor }) => {
  await visitor.open(DEEP_LINK);
  await visitor.untilAtCognito();
  const during = [...(await visitor.cookies()).values()];
  assert.deepEqual(during.map(({ name }) => name.replace(/-[\w-]{16}$/, '')).sort(), ['__Host-login', '__Host-return']);
  await visitor.signIn(ALICE);
  await visitor.untilAt(DEEP_LINK);
  const afterwards = [...(await visitor.cookies()).values()];
  assert.deepEqual(await visitor.lastingCookies(), ['__Host-session', '__Host-sign-ins']);

  for (const { name, secure, httpOnly, sameSite, path, domain } of [...during, ...afterwards]) {
    const attributes = { secure, httpOnly, sameSite, path, domain };
    assert.deepEqual(attributes, { secure: true, httpOnly: true, sameSite: 'Lax', path: '/', domain: 'localhost' }, name);
  }
});

scenario('over https every answer of the gateway\'s own asks for https from then on', async ({ visitor, page }) => {
  visitor.expectFault(/status of 403 .*\/admin\//);
  const own = [];
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (response.url().startsWith(visitor.product.gateway)) own.push([pathname, response.headers()['strict-transport-security']]);
  });
  await visitor.signInTo(DEEP_LINK, BOB);
  await visitor.open('/admin/');
  await shows(page, '#error-code', 'forbidden');
  const paths = new Map(own.map(([path, header]) => [path, header]));
  for (const path of ['/auth/login', '/auth/callback', '/auth/status', '/auth/refresh', '/user-info', '/admin/']) {
    assert.match(paths.get(path) ?? '(no header, or not asked for)', /max-age=\d{7,}/, path);
  }
});
