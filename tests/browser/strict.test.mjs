// Strict mode in a browser: everything is as without it.

import assert from 'node:assert/strict';

import { shows } from '../support/chromium.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE } from '../support/start.mjs';

const scenario = scenarios({ start: ['--strict', '--access-ttl', '60'] });

scenario('signing in, calling the API, refreshing and signing out are as ever', async ({ visitor, page, product }) => {
  await visitor.signInTo('/app/?view=strict', ALICE);
  await page.click('#call-api');
  await shows(page, '#api-result', 'The API answered 200.');
  await page.click('#refresh');
  await shows(page, '#refresh-result', 'Refreshed.');
  assert.equal((await product.grants('refresh_token')).length, 1);
  const copy = (await visitor.cookies()).get('edgegate-session').value;
  await page.click('#sign-out');
  await visitor.untilAt('/');
  const stolen = await fetch(`${product.gateway}/user-info`, { headers: { cookie: `edgegate-session=${copy}` } });
  assert.deepEqual([stolen.status, (await stolen.json()).error], [401, 'session_expired']);
});
