// A page of somebody else, in the browser of a user who is signed in. It can neither read nor change anything.
//
// It is tried from two places. `127.0.0.1` is another site: the browser leaves the Lax cookie at home. `localhost` under
// another port is another origin of the same site: the cookie comes along, and only the gateway's own checks are left.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { shows } from '../support/chromium.mjs';
import { scenarios } from '../support/scenario.mjs';
import { ALICE } from '../support/start.mjs';

const scenario = scenarios();

/** An empty page under every path, and no policy that would hold its scripts back. */
const elsewhere = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' });
  response.end('<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,"><p>Elsewhere</p>');
});
before(async () => {
  elsewhere.listen(0);
  await once(elsewhere, 'listening');
});
after(() => {
  elsewhere.closeAllConnections();
  elsewhere.close();
});

const PLACES = [
  { place: 'another site', host: '127.0.0.1', site: 'cross-site', carriesCookie: false },
  { place: 'another origin of the same site', host: 'localhost', site: 'same-site', carriesCookie: true },
];

/** Signs Alice in and opens the other page in a second tab. `sent` is what that makes the browser send to the gateway. */
async function arrange({ visitor, product }, { host }) {
  await visitor.signInTo('/app/', ALICE);
  const cookie = (await visitor.cookies()).get('edgegate-session').value;
  const other = await visitor.context.newPage();
  const sent = await watchWire(other, product.gateway);
  await other.goto(`http://${host}:${elsewhere.address().port}/`);
  return { other, sent, cookie };
}

/** Requests as they are on the wire, `{ method, path, headers, status }`: a script's own view has no cookies and no blocked answers. */
async function watchWire(page, origin) {
  const requests = new Map();
  const entry = (id) => requests.get(id) ?? requests.set(id, {}).get(id);
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  session.on('Network.requestWillBeSent', ({ requestId, request }) => {
    Object.assign(entry(requestId), { url: request.url, method: request.method });
  });
  session.on('Network.requestWillBeSentExtraInfo', ({ requestId, headers }) => {
    entry(requestId).headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  });
  session.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode }) => { entry(requestId).status = statusCode; });
  /** Of one method and path, once `count` of them have been answered. */
  return async (method, path, count) => {
    const isThere = (each) => each.method === method && each.url === origin + path && each.headers && each.status;
    for (let tries = 0; tries < 100; tries += 1) {
      const found = [...requests.values()].filter(isThere);
      if (found.length >= count) return found;
      await sleep(50);
    }
    return assert.fail(`not ${count} times on the wire: ${method} ${path} among ${JSON.stringify([...requests.values()])}`);
  };
}

/** The session is the same one, and the page of the user goes on to work. */
async function assertUntouched({ visitor, page }, cookie) {
  assert.equal((await visitor.cookies()).get('edgegate-session')?.value, cookie);
  await page.click('#call-api');
  await shows(page, '#api-result', 'The API answered 200.');
  await page.reload();
  await shows(page, '#user-email', ALICE);
}

for (const from of PLACES) {
  const { place, site, carriesCookie } = from;

  scenario(`${place} cannot read who is signed in, nor get a token`, async (stage) => {
    stage.visitor.expectFault(/blocked by CORS policy/);
    stage.visitor.expectFault(/Failed to load resource/);
    const { other, sent, cookie } = await arrange(stage, from);
    const outcomes = await other.evaluate(async (gateway) => {
      const attempts = [
        ['/user-info', {}],
        ['/auth/status', {}],
        ['/auth/refresh', { method: 'POST' }],
        ['/auth/refresh', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{"force":true}' }],
        ['/auth/refresh', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"force":true}' }],
        ['/auth/logout', { method: 'POST' }],
        ['/app/', {}],
      ];
      return Promise.all(attempts.map(async ([path, init]) => {
        try {
          const response = await fetch(gateway + path, { credentials: 'include', ...init });
          return `${path} was read: ${response.status} ${await response.text()}`;
        } catch (error) {
          return error.name;
        }
      }));
    }, stage.product.gateway);
    assert.deepEqual(outcomes, Array(7).fill('TypeError'));

    // The attempts were what they are meant to be.
    const [{ headers, status }] = await sent('GET', '/user-info', 1);
    assert.equal(headers['sec-fetch-site'], site);
    assert.equal(Boolean(headers.cookie?.includes(cookie)), carriesCookie);
    assert.equal(status, carriesCookie ? 200 : 401);
    await assertUntouched(stage, cookie);
  });

  scenario(`${place} cannot have an image, script or style of a gated path`, async (stage) => {
    stage.visitor.allowFault(/Failed to load resource|ERR_BLOCKED/);
    const { other, sent, cookie } = await arrange(stage, from);
    const outcomes = await other.evaluate((gateway) => {
      const tries = [['img', 'src', '/user-info'], ['script', 'src', '/user-info'], ['script', 'src', '/auth/refresh'], ['img', 'src', '/auth/logout']];
      return Promise.all(tries.map(([tag, attribute, path]) => new Promise((resolve) => {
        const element = document.createElement(tag);
        element.onload = () => resolve(`${path} loaded as ${tag}`);
        element.onerror = () => resolve('refused');
        element[attribute] = gateway + path;
        document.body.append(element);
      })));
    }, stage.product.gateway);
    assert.deepEqual(outcomes, Array(4).fill('refused'));
    await sent('GET', '/user-info', 2);
    const [{ status }] = await sent('GET', '/auth/logout', 1);
    assert.equal(status, 405);
    await assertUntouched(stage, cookie);
  });

  scenario(`${place} cannot sign the user out or refresh with a blind POST`, async (stage) => {
    stage.visitor.allowFault(/Failed to load resource|ERR_BLOCKED/);
    const { other, sent, cookie } = await arrange(stage, from);
    const refreshes = (await stage.product.grants('refresh_token')).length;
    const outcomes = await other.evaluate(async (gateway) => {
      const post = (path, body) => fetch(gateway + path, { method: 'POST', mode: 'no-cors', credentials: 'include', body })
        .then(({ type }) => type, ({ name }) => name);
      const seen = [
        await post('/auth/logout'),
        await post('/auth/logout', new URLSearchParams({ any: 'thing' })),
        await post('/auth/refresh', '{"force":true}'),
      ];
      navigator.sendBeacon(`${gateway}/auth/logout`);
      return seen;
    }, stage.product.gateway);
    // An answer without content, or, for another site, none at all.
    assert.deepEqual(outcomes, Array(3).fill(site === 'same-site' ? 'opaque' : 'TypeError'));
    const posts = [...await sent('POST', '/auth/logout', 3), ...await sent('POST', '/auth/refresh', 1)];
    for (const { headers, status } of posts) {
      assert.equal(status, 403);
      assert.equal(Boolean(headers.cookie?.includes(cookie)), carriesCookie);
    }
    assert.equal((await stage.product.grants('refresh_token')).length, refreshes);
    assert.equal((await stage.product.requests('/oauth2/revoke')).length, 0);
    await assertUntouched(stage, cookie);
  });

  scenario(`${place} cannot sign the user out with a form`, async (stage) => {
    stage.visitor.expectFault(/status of 403 .*\/auth\/logout/);
    const { other, sent, cookie } = await arrange(stage, from);
    const [answer] = await Promise.all([
      other.waitForResponse(`${stage.product.gateway}/auth/logout`),
      other.evaluate((gateway) => {
        const form = Object.assign(document.createElement('form'), { method: 'post', action: `${gateway}/auth/logout` });
        document.body.append(form);
        form.submit();
      }, stage.product.gateway),
    ]);
    assert.equal(answer.status(), 403);
    const [{ headers }] = await sent('POST', '/auth/logout', 1);
    assert.equal(headers['sec-fetch-site'], site);
    await shows(other, '#error-code', 'csrf_rejected');
    assert.equal((await stage.product.requests('/logout')).length, 0);
    await assertUntouched(stage, cookie);
  });

  scenario(`${place} cannot show the app in a frame`, async (stage) => {
    stage.visitor.expectFault(/frame-ancestors|X-Frame-Options/);
    const { other, cookie } = await arrange(stage, from);
    await other.evaluate((gateway) => new Promise((resolve) => {
      const frame = Object.assign(document.createElement('iframe'), { src: `${gateway}/`, onload: resolve });
      document.body.append(frame);
    }), stage.product.gateway);
    const [frame] = other.frames().filter((each) => each !== other.mainFrame());
    assert.equal(await frame.locator('#sign-in, #open-app').count(), 0);
    await assertUntouched(stage, cookie);
  });

  scenario(`${place} cannot sign the user in as somebody else with a code of its own`, async (stage) => {
    const { other, cookie } = await arrange(stage, from);
    const forged = `${stage.product.gateway}/auth/callback?code=abcdefabcdefabcdefabcdefabcdefab&state=${'s'.repeat(43)}`;
    await other.evaluate((url) => { window.location.assign(url); }, forged);
    await stage.visitor.untilAt('/', other);
    assert.equal((await stage.product.grants('authorization_code')).length, 1);
    await assertUntouched(stage, cookie);
  });
}

scenario('the user\'s own page can do all that the others cannot', async ({ visitor, page }) => {
  await visitor.signInTo('/app/', ALICE);
  const statuses = await page.evaluate(async () => [
    (await fetch('/user-info')).status,
    (await fetch('/auth/status')).status,
    (await fetch('/auth/refresh', { method: 'POST' })).status,
    (await fetch('/auth/logout', { method: 'POST' })).status,
  ]);
  assert.deepEqual(statuses, [200, 200, 200, 200]);
  assert.equal(await visitor.isSignedIn(), false);
});
