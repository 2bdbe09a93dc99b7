// A sign-in that opens nothing, however often: the browser must not go round for ever.

import assert from 'node:assert/strict';

import { screenshot, shows } from '../support/chromium.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE } from '../support/start.mjs';

const scenario = scenarios();

/** From now on something in the browser takes the session away before each page load of the app. Gives what ends that. */
async function loseSessions({ context, page }) {
  // Playwright's own routes do not see requests that follow a redirect.
  const devtools = await context.newCDPSession(page);
  devtools.on('Fetch.requestPaused', async ({ requestId }) => {
    await context.clearCookies({ name: 'edgegate-session' });
    await devtools.send('Fetch.continueRequest', { requestId });
  });
  await devtools.send('Fetch.enable', { patterns: [{ urlPattern: '*/app/*', resourceType: 'Document' }] });
  return () => devtools.send('Fetch.disable');
}

for (const [language, locale, words] of [
  ['English', 'en-GB', 'your browser does not send the session back'],
  ['Korean', 'ko-KR', '브라우저가 세션을 보내지 않습니다'],
]) {
  scenario(`it stops after three rounds at a page that names the cause in ${language}, and a click tries once more`, async ({
    visitor, page, product,
  }) => {
    visitor.expectFault(/status of 401/);
    const heal = await loseSessions(visitor);
    await visitor.open('/app/?view=circle');
    await visitor.signIn(ALICE); // and from then on Cognito's own cookie answers without asking
    await shows(page, '#error-code', 'session_required');
    await shows(page, 'main', words);
    assert.equal(page.url(), `${product.gateway}/app/?view=circle`);
    assert.equal((await product.grants('authorization_code')).length, 4, 'the first sign-in and three rounds');
    await screenshot(page, `circle-${locale}`);

    await heal();
    await page.click('a.main');
    await visitor.untilAt('/app/?view=circle');
    await shows(page, '#user-email', ALICE);
  }, { locale });
}
