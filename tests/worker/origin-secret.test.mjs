// ORIGIN_SECRET: the origin knows the gateway by it, nobody else learns it, and the README's CloudFront Function lets nobody else in.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, beforeEach, describe, test } from 'node:test';

import { PUBLIC_URL, ROOT, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';
import { getRaw } from '../support/raw.mjs';

const SECRET = 'known-to-the-origin"alone,52c8=;';
const HEADER = 'x-origin-verify';
const PATHS = ['/public/page', '/app/page', '/signed-in.html'];

/** The README's function, with a key value store that holds the secret. */
function cloudFrontFunction() {
  const [, code] = /^ *```js\n *import cf from 'cloudfront';\n(.*?)^ *```$/ms.exec(readFileSync(`${ROOT}/README.md`, 'utf8'));
  const store = new Map([['origin-secret', SECRET]]);
  return new Function('cf', `${code} return handler;`)({ kvs: () => ({ get: async (key) => store.get(key) }) });
}

const handler = cloudFrontFunction();
/** What the function let through, as the origin behind it would get it. */
const passed = [];
const page = async (request, response) => {
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, { value }]));
  const { statusCode, headers: left } = await handler({ request: { method: request.method, uri: request.url, headers } });
  if (statusCode === undefined) passed.push(left);
  response.writeHead(statusCode ?? 200, { 'content-type': 'text/plain', [HEADER]: request.headers[HEADER] ?? 'none', 'x-kept': 'kept' });
  response.end(request.method === 'HEAD' ? undefined : 'the page');
};
const elsewhere = await startOrigin({});
const site = await startOrigin({
  ...Object.fromEntries(PATHS.map((path) => [path, page])),
  '/public/moved': { status: 302, headers: { location: `${elsewhere.origin}/public/page` } },
});
const RULES = JSON.stringify([
  { path: '/signed-in.html', allow: 'public' }, { path: '/public/*', allow: 'public' }, { path: '/*', allow: 'signed-in' },
]);
const gateway = await startGateway({
  vars: { ORIGIN_URL: site.origin, ORIGIN_SECRET: SECRET, REDIRECT_URI: `${PUBLIC_URL}/signed-in.html`, RULES },
});
after(async () => {
  await gateway.close();
  site.close();
  elsewhere.close();
});

const alice = await gateway.signedIn();

beforeEach(() => {
  site.requests.length = 0;
  passed.length = 0;
});

describe('the origin\'s secret', () => {
  test('opens CloudFront to the gateway, and goes no further', async () => {
    for (const path of PATHS) {
      for (const method of ['GET', 'HEAD']) {
        const response = await alice.script(path, { method });
        assert.equal(response.status, 200, path);
        assert.equal(await response.text(), method === 'HEAD' ? '' : 'the page');
        assert.equal(site.requests.at(-1).headers[HEADER], SECRET);
      }
    }
    assert.equal(passed.length, 6);
    for (const headers of passed) assert.equal(HEADER in headers, false);
  });

  test('is what others lack: CloudFront answers them with 403', async () => {
    for (const sent of [undefined, '', 'none', SECRET.slice(0, -1), `${SECRET}x`, SECRET.toUpperCase(), `${SECRET}, ${SECRET}`]) {
      const response = await fetch(`${site.origin}/app/page`, { headers: sent === undefined ? {} : { [HEADER]: sent } });
      assert.equal(response.status, 403, sent);
    }
    assert.deepEqual(passed, []);
  });

  test('goes to nobody but the origin: not to Cognito, and not where the origin redirects to', async () => {
    assert.equal((await alice.script('/public/moved')).status, 302);
    assert.equal(site.requests[0].headers[HEADER], SECRET);
    assert.deepEqual(elsewhere.requests, []);
    assert.ok(gateway.cognito.requests.some(({ path }) => path.endsWith('/oauth2/token')));
    for (const { headers } of gateway.cognito.requests) assert.equal(HEADER in headers, false);
  });

  test('does not come back: the header is taken out of every answer, and no other is', async () => {
    for (const path of PATHS) {
      const { headers } = await alice.script(path);
      assert.equal(headers.get('x-kept'), 'kept', path);
      assert.equal(headers.get(HEADER), null, path);
      assert.equal(JSON.stringify([...headers]).includes(SECRET.slice(0, 12)), false, path);
    }
  });
});

describe('a client\'s own X-Origin-Verify', () => {
  const SPELLINGS = ['X-Origin-Verify', 'x-origin-verify', 'X-ORIGIN-VERIFY', 'X_Origin_Verify', 'X-Origin_Verify', 'x_origin-verify'];
  const CONNECTIONS = ['close', 'close, X-Origin-Verify'];

  async function received(path, connection) {
    site.requests.length = 0;
    const response = await getRaw(gateway, path, [
      `Cookie: edgegate-session=${alice.session}`, ...SPELLINGS.map((name) => `${name}: forged`), 'X-Kept: kept',
    ], { connection });
    assert.equal(site.requests.length, 1, response.body);
    const { headers } = site.requests[0];
    assert.equal(headers['x-kept'], 'kept');
    return Object.entries(headers).filter(([name, value]) => name.replaceAll('_', '-') === HEADER || value.includes('forged'));
  }

  test('never reaches the origin, and does not take the place of the gateway\'s', async () => {
    for (const path of PATHS) for (const connection of CONNECTIONS) assert.deepEqual(await received(path, connection), [[HEADER, SECRET]], path);
  });

  test('never reaches it without a secret either', async () => {
    await gateway.configure({ ORIGIN_SECRET: null });
    for (const path of PATHS) for (const connection of CONNECTIONS) assert.deepEqual(await received(path, connection), [], path);
    await gateway.configure({ ORIGIN_SECRET: SECRET });
  });
});
