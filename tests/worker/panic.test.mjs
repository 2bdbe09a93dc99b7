// A fault that no lint and no test has found: the wasm instance dies of it, and nothing else does. On a build that panics on
// purpose (src/platform/self_test.rs).

import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';

import { SELF_TEST, startGateway } from '../support/gateway.mjs';

const gateway = await startGateway({ main: SELF_TEST });
after(() => gateway.close());
beforeEach(() => gateway.server.clearLogs());

const panic = (browser = gateway.browser()) => browser.navigate('/self-test/panic');

test('a panic costs the request that it happens in; the next one is answered as ever', async () => {
  const browser = await gateway.signedIn();
  for (const round of [1, 2, 3]) {
    const failed = await panic(browser);
    assert.equal(failed.status, 500, `round ${round}`);
    assert.equal(failed.headers.get('set-cookie'), null);
    const info = await browser.script('/user-info');
    assert.equal(info.status, 200, `round ${round}`);
    assert.equal((await info.json()).email, 'alice@example.com');
  }
  const page = await browser.navigate('/app/');
  assert.equal(page.status, 200);
  assert.match(await page.text(), /<html/);
});

test('an end that no panic announces, as when memory or stack run out, costs no more', async () => {
  const browser = await gateway.signedIn();
  for (const round of [1, 2, 3]) {
    const failed = await browser.navigate('/self-test/abort');
    assert.equal(failed.status, 500, `round ${round}`);
    const info = await browser.script('/user-info');
    assert.equal(info.status, 200, `round ${round}`);
    assert.equal((await info.json()).email, 'alice@example.com');
  }
});

for (const path of ['/self-test/panic-later', '/self-test/abort-later']) {
  test(`${path.slice(11)}, when the request has waited for something, costs that request; the next one is answered as ever`, async () => {
    const browser = await gateway.signedIn();
    for (const round of [1, 2, 3]) {
      const failed = await browser.navigate(path);
      assert.equal(failed.status, 500, `round ${round}`);
      assert.equal(failed.headers.get('set-cookie'), null);
      const info = await browser.script('/user-info');
      assert.equal(info.status, 200, `round ${round}`);
      assert.equal((await info.json()).email, 'alice@example.com');
    }
    const renewed = await browser.post('/auth/refresh', { force: true });
    assert.equal(renewed.status, 200, 'and what waits for Cognito and KV goes on as ever');
  });
}

test('after a panic nobody is let in who was not before', async () => {
  await panic();
  const response = await gateway.browser().script('/user-info');
  assert.equal(response.status, 401);
  const redirected = await gateway.browser().navigate('/app/');
  assert.equal(redirected.status, 302);
});

test('a login that was under way when another request panicked goes on', async () => {
  const browser = gateway.browser();
  const callback = await browser.authenticate(await browser.beginLogin('/app/'));
  await panic();
  const response = await browser.arrive(callback);
  assert.equal(response.status, 303, await response.text());
  assert.equal(response.headers.get('location'), '/app/');
});

test('requests beside a panic are answered or fail, and the gateway lives', async () => {
  const browser = await gateway.signedIn();
  const beside = Array.from({ length: 8 }, () => browser.script('/user-info'));
  const [failed, ...answers] = await Promise.all([panic(), ...beside]);
  assert.equal(failed.status, 500);
  for (const { status } of answers) assert.ok([200, 500].includes(status), `${status}`);
  assert.equal((await browser.script('/user-info')).status, 200);
});

test('the log has the panic and its place, and nothing that the request brought', async () => {
  const browser = await gateway.signedIn();
  gateway.server.clearLogs();
  await panic(browser);
  await gateway.logs(); // all have come
  const log = JSON.stringify(gateway.server.getLogs());
  assert.match(log, /panicked at src\/platform\/self_test\.rs/);
  assert.equal(log.includes('deliberate'), false, 'the message, which could hold anything');
  assert.equal(log.includes(browser.session), false, 'the cookie');
});
