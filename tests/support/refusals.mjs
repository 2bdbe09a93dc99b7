// A login in hostile hands: what must be true after it, whatever it was that went wrong.

import assert from 'node:assert/strict';

import { assertErrorPage, setCookies } from './answers.mjs';

const nonceOf = (authorizeUrl) => new URL(authorizeUrl).searchParams.get('nonce');

/**
 * Nothing is left of a login: no session cookie, no key of any kind in KV, and where the gateway is FAULTY no write on the way.
 */
export async function assertNothingLeft(gateway, browser, response) {
  assert.equal(setCookies(response).has(browser.sessionName), false, 'session cookie');
  assert.equal(browser.session, undefined, 'session cookie');
  assert.deepEqual(await gateway.dumpKv(), [], 'KV');
  assert.equal((await gateway.kvOperations()).includes('put'), false, 'a write to KV');
}

/** The page's error code, and under the page's request id the reason in the log: it was refused for what was wrong with it. */
export async function assertRefusedPage(gateway, response, status, code, reason) {
  const page = await assertErrorPage(response, status, code);
  const [, requestId] = /<code>([0-9a-f]{16})<\/code>/.exec(page);
  const line = await gateway.lineOf(requestId);
  assert.equal(line.code, code, 'the code in the log');
  assert.equal(line.reason, reason, 'the reason in the log');
  assert.doesNotMatch(JSON.stringify(line), /eyJ/, 'a token in the log');
}

/**
 * Signs in while Cognito is bent by `switches` (or what `switches(nonce)` gives, for forgeries that know this login's nonce), and
 * expects that nothing comes of it. Gives the answer.
 */
export async function assertLoginRefused(gateway, switches, { status = 502, code = 'token_rejected', reason }) {
  const browser = gateway.browser().hasRetried();
  const authorizeUrl = await browser.beginLogin();
  gateway.cognito.set(typeof switches === 'function' ? await switches(nonceOf(authorizeUrl)) : switches);
  const callbackUrl = await browser.authenticate(authorizeUrl);
  await gateway.kvOperations();
  const response = await browser.arrive(callbackUrl);
  await assertRefusedPage(gateway, response, status, code, reason);
  await assertNothingLeft(gateway, browser, response);
  assert.deepEqual(browser.flows, [], 'the flow is used up');
  assert.equal(gateway.asked('/oauth2/token').length, 1, 'a code is sent once');
  assert.deepEqual(gateway.asked('/oauth2/userInfo'), [], 'nobody is asked for claims besides the ID token');
  return response;
}
