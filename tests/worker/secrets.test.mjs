// A whole day at the gateway, good and bad. Then every log line, every answer (pages among them) and all that was ever in KV is
// searched for every secret that was about.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { eventually } from '../support/eventually.mjs';
import { FAULTY, NAVIGATION, PUBLIC_URL, SESSION_KEYS, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';
import { secretsOf, spellings } from '../support/secrets.mjs';

const DETAIL = 'detail-of-the-store-7f3a';
const ORIGIN_SECRET = 'known-to-the-origin-alone-52c8';
/** It says back what it got. */
const site = await startOrigin({
  '/app/': (request, response) => {
    response.writeHead(200, { 'x-origin-verify': request.headers['x-origin-verify'] ?? 'none' });
    response.end('the app');
  },
});
const gateway = await startGateway({ main: FAULTY, vars: { ORIGIN_URL: site.origin, ORIGIN_SECRET } });
after(async () => {
  await gateway.close();
  site.close();
});

/** Every answer: {path, status, text, headers}. */
const answers = [];
const secrets = new Map();
let lines;
let logText;

const ask = gateway.fetch.bind(gateway);
gateway.fetch = async (path, init) => {
  const response = await ask(path, init);
  const { status, headers } = response;
  if (!path.startsWith('/__world')) answers.push({ path, status, text: await response.clone().text(), headers: [...headers] });
  return response;
};

/** All that KV has held at any of the times when the secrets were noted: keys, and values as they are and decoded. */
const stored = new Set();

/** Cognito's requests are forgotten when all is well again, and sessions end, so secrets and store are noted before. */
async function note(browsers) {
  for (const { name, value } of await gateway.dumpKv()) {
    for (const text of [name, value, Buffer.from(value, 'base64').toString('latin1')]) stored.add(text);
  }
  for (const [name, values] of secretsOf(gateway, browsers)) secrets.set(name, [...new Set([...(secrets.get(name) ?? []), ...values])]);
}

before(async () => {
  const browsers = [];
  const signedIn = async (options) => {
    const browser = await gateway.signedIn(options);
    browsers.push(browser.copy());
    return browser;
  };
  const began = async () => {
    const browser = gateway.browser();
    const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/?private=path'));
    browsers.push(browser.copy());
    return { browser, callbackUrl };
  };

  // A good day.
  const { browser, callbackUrl } = await began();
  await browser.arrive(callbackUrl);
  browsers.push(browser.copy());
  await browser.arrive(callbackUrl);
  for (const path of ['/user-info', '/auth/status', '/app/', '/admin/', '/config', '/healthz', '/readyz']) {
    await browser.script(path);
    await browser.navigate(path);
  }
  await browser.post('/auth/refresh');
  await browser.post('/auth/refresh', { force: true });
  await gateway.passTime(3601);
  gateway.cognito.set({ rotation: true });
  await browser.navigate('/app/');
  await ask('/user-info', { headers: { authorization: `Bearer ${gateway.cognito.mint('id')}` } });
  await note(browsers);

  // Logins that fail, at each step.
  for (const switches of [
    { tokenError: 'invalid_grant' }, { tokenError: 'invalid_client' }, { tokenFault: '429' }, { tokenFault: '500' }, { tokenFault: 'html' },
    { tokenFault: 'html200' },
    { tokenFault: 'truncated' }, { tokenFault: 'duplicate' }, { tokenFault: 'badtype' }, { tokenFault: 'redirect307' },
    { badSignature: 'id' }, { unknownKid: 'access' }, { badNonce: true },
    { idClaims: { aud: 'another' } }, { authorizeError: { error: 'access_denied', error_description: 'rule 7 is against alice@example.com' } },
  ]) {
    gateway.cognito.set(switches);
    const failing = await began();
    await failing.browser.hasRetried().arrive(failing.callbackUrl);
    await failing.browser.script(failing.callbackUrl);
    await note(browsers);
    await gateway.allWell();
  }
  const { browser: other, callbackUrl: otherUrl } = await began();
  await gateway.browser().hasRetried().arrive(otherUrl);
  await other.hasRetried().arrive(`${otherUrl}&code=again`);
  await other.hasRetried().arrive(`${otherUrl}&iss=https://evil.example`);
  const { searchParams } = new URL(otherUrl);
  const posted = { code: searchParams.get('code'), state: searchParams.get('state') };
  await other.post('/auth/token', { ...posted, state: 'other' });
  await other.script('/auth/token', { method: 'POST', body: `${JSON.stringify(posted)}}`, headers: { 'content-type': 'application/json' } });
  await other.send(`${otherUrl}&pad=${'x'.repeat(9000)}`, { headers: NAVIGATION });
  await other.navigate(`/a%2fb?code=${posted.code}`);
  await note(browsers);

  // Sessions in trouble.
  await gateway.passTime(3601);
  for (const switches of [{ tokenFault: '500' }, { tokenError: 'invalid_grant' }, { refreshClaims: { sub: 'somebody-else' } }]) {
    const troubled = await signedIn();
    await gateway.passTime(3601);
    gateway.cognito.set(switches);
    await troubled.script('/user-info');
    await troubled.navigate('/app/');
    await troubled.post('/auth/refresh');
    await note(browsers);
    await gateway.allWell();
  }
  for (const operation of ['get', 'put', 'delete']) {
    const troubled = await signedIn();
    await gateway.passTime(31);
    await gateway.setWorld({ kv: { [operation]: `KV failed: 500 ${DETAIL} ${troubled.session}`, getWithMetadata: `KV failed: 500 ${DETAIL}` } });
    await troubled.script('/user-info');
    await troubled.navigate('/app/');
    await troubled.post('/auth/logout');
    await (await began()).browser.arrive(otherUrl);
    await note(browsers);
    await gateway.allWell();
  }
  const tampered = await signedIn();
  const kv = await gateway.kv();
  for (const name of await gateway.sessionKeys()) await kv.put(name, `${(await kv.get(name)).slice(0, -4)}AAAA`);
  await gateway.passTime(31);
  await tampered.script('/user-info');
  await gateway.setWorld({ signatures: 'fail' });
  await (await began()).browser.arrive(otherUrl);
  await ask('/user-info', { headers: { authorization: `Bearer ${gateway.cognito.mint('access')}` } });
  await gateway.setWorld({ signatures: undefined, unreachable: site.origin });
  await tampered.navigate('/');
  await gateway.setWorld({ unreachable: undefined });

  // Strangers.
  for (const headers of [
    { authorization: 'Basic alice@example.com:Passw0rd!' }, { authorization: 'Bearer forged.token.alice@example.com' },
    { cookie: 'edgegate-session=alice@example.com' },
  ]) {
    await ask('/user-info', { headers });
  }
  await browser.send('/auth/logout', { method: 'POST', headers: { origin: 'https://evil.example' } });

  // Good night.
  gateway.cognito.set({ revokeFault: '500' });
  await (await signedIn()).post('/auth/logout');
  await eventually(() => gateway.asked('/oauth2/revoke').length > 0, 'a revocation');
  await note(browsers);
  await gateway.allWell();
  await (await signedIn()).postForm('/auth/logout');
  await eventually(() => gateway.asked('/oauth2/revoke').length > 0, 'a revocation');
  await note(browsers);
  const sealing = SESSION_KEYS.slice('v1:'.length);
  secrets.set('session key', [sealing, Buffer.from(sealing, 'base64').toString('latin1')]);
  secrets.set('origin secret', [ORIGIN_SECRET]);
  secrets.set('detail of the store', [DETAIL]);
  lines = await gateway.logs();
  logText = JSON.stringify(gateway.server.getLogs().map(({ message }) => message));
});

const KINDS = [
  'state', 'nonce', 'code', 'verifier', 'ID token', 'access token', 'refresh token', 'Basic credentials', 'client secret', 'session cookie',
  'flow cookie', 'e-mail', 'name',
  'session key', 'origin secret', 'detail of the store',
];

test('there was something to find', () => {
  assert.deepEqual([...secrets.keys()].sort(), [...KINDS].sort());
  assert.ok(secrets.get('access token').length > 10 && secrets.get('code').length > 10 && secrets.get('session cookie').length > 5);
  assert.ok(answers.length > 120, `${answers.length} answers`);
  assert.ok(lines.length > 120, `${lines.length} lines`);
  for (const code of [
    'code_rejected', 'token_rejected', 'idp_unavailable', 'store_unavailable', 'internal', 'token_invalid', 'csrf_rejected',
    'origin_unavailable',
  ]) {
    assert.ok(lines.some((line) => line.code === code), code);
  }
});

describe('no log line holds', () => {
  for (const kind of KINDS) {
    test(`a ${kind}`, () => {
      for (const value of secrets.get(kind)) for (const spelling of spellings(value)) assert.equal(logText.includes(spelling), false, kind);
    });
  }

  test('a query, an address or a whole session hash', () => {
    assert.doesNotMatch(logText, /private=path|code=|state=|127\.0\.0\.1|@/);
    for (const { session } of lines) if (session !== undefined) assert.match(session, /^[\w-]{8}$/);
  });

  test('a panic or an exception: every line is JSON of ours', () => {
    for (const line of lines) {
      assert.match(line.level, /^(info|warn|error)$/);
      assert.match(line.message, /^[a-z_]+$/);
    }
  });
});

describe('KV never held', () => {
  test('nothing: there was something to search', () => {
    const keys = [...stored].filter((text) => text.startsWith('session/'));
    assert.ok(keys.length > 5 && [...stored].some((text) => text.startsWith('ended/')), `${keys.length} sessions`);
  });

  for (const kind of KINDS) {
    test(`a ${kind}`, () => {
      // The part of the cookie behind the user's tag is the secret that opens the record.
      const values = kind === 'session cookie' ? secrets.get(kind).flatMap((cookie) => [cookie, cookie.slice(-42)]) : secrets.get(kind);
      for (const spelling of values.flatMap(spellings)) {
        for (const text of stored) assert.equal(text.includes(spelling), false, kind);
      }
    });
  }
});

describe('no answer holds', () => {
  /** Where a value belongs: in the body of these paths, or in these headers. */
  const BELONGS = {
    'access token': { bodies: /^\/auth\/(refresh|token)$/ },
    'e-mail': { bodies: /^\/user-info$/ },
    'name': { bodies: /^\/user-info$/ },
    'state': { headers: 'location' },
    'nonce': { headers: 'location' },
    'session cookie': { headers: 'set-cookie' },
    'flow cookie': { headers: 'set-cookie' },
  };
  for (const kind of KINDS) {
    test(`a ${kind} but where it belongs`, () => {
      const { bodies, headers: place } = BELONGS[kind] ?? {};
      const authorize = `${gateway.cognito.origin}/oauth2/authorize?`;
      for (const { path, text, headers } of answers) {
        const belongs = ([name, value]) => name === place && (name !== 'location' || value.startsWith(authorize));
        const rest = JSON.stringify(headers.filter((header) => !belongs(header)));
        for (const spelling of secrets.get(kind).flatMap(spellings)) {
          assert.equal(rest.includes(spelling), false, `${kind} in a header of ${path.slice(0, 40)}`);
          if (!bodies?.test(path)) assert.equal(text.includes(spelling), false, `${kind} in the body of ${path.slice(0, 40)}`);
        }
      }
    });
  }

  test('what the store, the network or the platform said', () => {
    for (const { text } of answers) assert.doesNotMatch(text, /KV failed|Network connection lost|no cryptography|RuntimeError|at wasm|panicked/);
  });

  test('a word of a request that was refused', () => {
    const refused = answers.filter(({ status }) => status >= 400);
    assert.ok(refused.length > 40);
    for (const { text } of refused) assert.doesNotMatch(text, /forged\.token|evil\.example|somebody-else|rule 7/);
    assert.ok(answers.some(({ path }) => path.startsWith(PUBLIC_URL)));
  });
});
