// What a page load gets while Cognito is in trouble, by the kind of trouble. What a script gets is in hostile-refresh.test.mjs.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage } from '../support/answers.mjs';
import { FAULTY, startGateway } from '../support/gateway.mjs';

const HOUR = 3600;
/** OUTAGE_GRACE_SECS as it is without a setting. */
const GRACE = 600;
/** After trouble a session is tried again at most every ten seconds, jittered. */
const RETRY_SECS = 15;
/** The gateway waits six seconds for a token; a page that does not wait takes a fraction of that, even on a busy machine. */
const WAITED_MS = 5500;
const AT_ONCE_MS = 2000;

const gateway = await startGateway({ main: FAULTY });
const { cognito } = gateway;
after(() => gateway.close());
beforeEach(async () => {
  await gateway.crash(); // of the test before nothing goes on, such as a refresh that is asked for once more
  await gateway.allWell();
  await gateway.emptyKv();
});

/** A session whose token has run out, at a Cognito in this trouble. */
async function expired(switches) {
  const browser = await gateway.signedIn();
  await gateway.passTime(HOUR + 1);
  cognito.set(switches);
  return browser;
}

async function timed(work) {
  const since = Date.now();
  const response = await work();
  return { response, ms: Date.now() - since };
}

async function assertLives(browser) {
  await gateway.allWell();
  await gateway.passTime(RETRY_SECS);
  assert.equal((await browser.navigate('/app/')).status, 200);
  assert.equal((await browser.script('/user-info')).status, 200);
}

describe('a page stays open for the outage grace, and is then refused as what it is, without a logout:', () => {
  for (const [title, [switches, status, code]] of Object.entries({
    '429': [{ tokenFault: '429' }, 503, 'idp_throttled'],
    '500': [{ tokenFault: '500' }, 503, 'idp_unavailable'],
    '503': [{ tokenFault: '503' }, 503, 'idp_unavailable'],
    '502 and HTML': [{ tokenFault: 'html' }, 503, 'idp_unavailable'],
    '200 and HTML': [{ tokenFault: 'html200' }, 502, 'idp_invalid_response'],
    'half of the tokens': [{ tokenFault: 'truncated' }, 502, 'idp_invalid_response'],
    'no answer at all': [{ tokenFault: 'drop' }, 503, 'idp_unavailable'],
  })) {
    test(title, async () => {
      const browser = await expired(switches);
      for (const secs of [0, GRACE - 10]) {
        await gateway.passTime(secs);
        assert.equal((await browser.navigate('/app/')).status, 200, `${secs} s`);
      }
      // What looks as if it had been carried out is asked for once more each time.
      const attempts = code === 'idp_invalid_response' ? 4 : 2;
      assert.equal(gateway.refreshes().length, attempts, 'it was tried each time');
      await gateway.passTime(RETRY_SECS);
      const response = await browser.navigate('/app/');
      assert.deepEqual(response.headers.getSetCookie(), []);
      const wait = Number(response.headers.get('retry-after'));
      await assertErrorPage(response, status, code);
      if (status === 503) assert.ok(wait >= 1 && wait <= 30, `Retry-After ${wait}`);
      await assertLives(browser);
    });
  }
});

describe('a time-out', () => {
  test('is waited for once in ten seconds, by all who meet it: the pages after it answer at once', async (context) => {
    const browser = await expired({ tokenFault: 'slow', slowMs: 30_000 });
    const first = await timed(() => Promise.all(Array.from({ length: 20 }, () => browser.navigate('/app/'))));
    assert.deepEqual([...new Set(first.response.map(({ status }) => status))], [200], 'in the grace');
    assert.ok(first.ms >= WAITED_MS && first.ms < WAITED_MS + AT_ONCE_MS, `${first.ms} ms`);
    const second = await timed(() => browser.navigate('/app/'));
    assert.equal(second.response.status, 200);
    assert.ok(second.ms < AT_ONCE_MS, `${second.ms} ms`);
    await assertErrorJson(await browser.post('/auth/refresh'), 504, 'idp_timeout');

    await gateway.passTime(GRACE - 2); // the first failure is long forgotten
    const late = await timed(() => browser.navigate('/app/'));
    await assertErrorPage(late.response, 504, 'idp_timeout');
    const next = await timed(() => browser.navigate('/app/'));
    await assertErrorPage(next.response, 504, 'idp_timeout');
    assert.ok(next.ms < AT_ONCE_MS, `${next.ms} ms`);
    // One request for each wait. It is repeated once in the background a moment later, which no page waits for.
    const asked = gateway.refreshes().length;
    assert.ok(asked >= 2 && asked <= 4, `${asked} refreshes`);
    context.diagnostic(`pages: ${first.ms} ms, then ${second.ms} ms; beyond the grace ${late.ms} ms, then ${next.ms} ms`);
    await assertLives(browser);
  });
});

describe('a client that Cognito refuses', () => {
  for (const error of ['invalid_client', 'unauthorized_client']) {
    test(`(${error}) is 500 idp_misconfigured and an alarm, for a page as well, and the session lives on`, async () => {
      const browser = await expired({ tokenError: error });
      gateway.server.clearLogs();
      const response = await browser.navigate('/app/');
      assert.deepEqual(response.headers.getSetCookie(), []);
      await assertErrorPage(response, 500, 'idp_misconfigured');
      const alarms = (await gateway.logs()).filter(({ level, code }) => level === 'error' && code === 'idp_misconfigured');
      assert.deepEqual(alarms.map(({ message }) => message).sort(), ['refresh_failed', 'request']);
      assert.equal((await (await browser.script('/auth/status')).json()).error, 'idp_misconfigured', 'not signed out');
      await assertLives(browser);
    });
  }
});

test('a cache that hangs is waited for a moment: who comes first asks Cognito for its keys', async () => {
  await gateway.setWorld({ cache: 'hang' });
  const login = await timed(() => gateway.signedIn());
  assert.equal(gateway.asked('/jwks.json').length, 1);
  assert.ok(login.ms < WAITED_MS, `${login.ms} ms`);
});
