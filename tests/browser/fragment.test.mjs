// KEEP_FRAGMENT: the fragment of a deep link, which no browser sends, survives the sign-in.

import assert from 'node:assert/strict';

import { historyOf, shows } from '../support/chromium.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE, BOB } from '../support/start.mjs';

const DEEP_LINK = '/app/?view=reports#/a/b?c=d&e=%2F+f';

const scenario = scenarios({ start: ['--var', 'KEEP_FRAGMENT=true'] });

scenario('a deep link with a fragment leads through the sign-in back to itself', async ({ visitor, page, product }) => {
  await visitor.open(DEEP_LINK);
  await visitor.signIn(ALICE);
  await visitor.untilAt(DEEP_LINK);
  await shows(page, '#deep-link', DEEP_LINK);
  for (const { path, query, form } of await product.requests()) {
    assert.doesNotMatch(JSON.stringify([path, query, form]), /a\/b|a%2Fb/, 'Cognito has no business with it');
  }
  const { addresses } = await historyOf(page);
  assert.ok(addresses.every((address) => !address.includes('/auth/')), addresses.join('\n'));
});

scenario('a link without one leads back to itself as ever', async ({ visitor }) => {
  await visitor.signInTo('/app/?view=reports', BOB);
});

for (const letters of [3000, 20_000]) {
  scenario(`a fragment of ${letters} letters is too long for a login: it is left behind, and the sign-in goes on`, async ({ visitor, page }) => {
    await visitor.open(`/app/#${'x'.repeat(letters)}`);
    await visitor.signIn(ALICE);
    await visitor.untilAt('/app/');
    await shows(page, '#user-email', ALICE);
  });
}

scenario('without script the sign-in leads back to the page, without the fragment', async ({ visitor, page }) => {
  await visitor.open(DEEP_LINK);
  await visitor.signIn(ALICE);
  await visitor.untilAt('/app/?view=reports');
  await shows(page, '#deep-link', '/app/');
  assert.equal(await visitor.isSignedIn(), true);
}, { javaScriptEnabled: false });
