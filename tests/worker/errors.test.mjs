// Every error code there is, produced in the real runtime: as JSON for a script, as a page for a person in English and Korean, and
// in the log under the same request id.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage } from '../support/answers.mjs';
import { FAULTY, NAVIGATION, OWN_SCRIPT, PUBLIC_URL, ROOT, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';

/** The contract's list. */
const CODES = {
  invalid_request: 400, login_expired: 400, state_mismatch: 400, code_rejected: 400,
  session_required: 401, session_expired: 401, token_invalid: 401, refresh_rejected: 401,
  forbidden: 403, csrf_rejected: 403, login_denied: 403,
  not_found: 404, method_not_allowed: 405, payload_too_large: 413, uri_too_long: 414, rate_limited: 429, headers_too_large: 431,
  config_invalid: 500, idp_misconfigured: 500, internal: 500,
  idp_invalid_response: 502, token_rejected: 502, origin_unavailable: 502,
  idp_unavailable: 503, idp_throttled: 503, store_unavailable: 503,
  idp_timeout: 504, origin_timeout: 504,
};

const RULES = JSON.stringify([
  { path: '/', allow: 'public' }, { path: '/silent', allow: 'public' }, { path: '/admin/*', allow: { groups: ['admin'] } },
]);
const site = await startOrigin({ '/': { body: 'the site' }, '/silent': () => {} });
const vars = { RULES, ORIGIN_URL: site.origin };
const [gateway, slow, limited, broken] = await Promise.all([
  startGateway({ main: FAULTY, vars }),
  startGateway({ vars }),
  startGateway({ vars, config: { ratelimits: [{ name: 'RATE_LIMITER', namespace_id: '1', simple: { limit: 1, period: 60 } }] } }),
  startGateway({ vars: { SESSION_KEYS: 'nonsense' } }),
]);
after(async () => {
  await Promise.all([gateway, slow, limited, broken].map((each) => each.close()));
  site.close();
});
slow.cognito.set({ tokenFault: 'slow' });

/** One a minute is allowed, and a minute may end between two of ours. */
async function untilLimited(path, headers) {
  for (let index = 0; index < 3; index += 1) {
    const response = await limited.fetch(path, { headers });
    if (response.status === 429) return response;
  }
  throw new Error(`${path} is not limited`);
}

/** A login that comes to its end while Cognito or the world is so. */
const loginWhile = (switches, world = {}) => async (headers) => {
  const browser = gateway.browser().hasRetried();
  const callbackUrl = await browser.authenticate(await browser.beginLogin());
  gateway.cognito.set(switches);
  await gateway.setWorld(world);
  const response = await browser.send(callbackUrl, { headers });
  await gateway.allWell();
  return response;
};
const plain = (path, init = {}, where = gateway) => (headers) => where.fetch(path, { ...init, headers: { ...headers, ...init.headers } });
const form = { 'content-type': 'application/x-www-form-urlencoded' };

/** For each code a request that fails with it; `json`: its route answers JSON to everybody. */
const CASES = {
  invalid_request: { ask: plain('/a%2fb') },
  login_expired: { ask: (headers) => gateway.browser().hasRetried().send('/auth/callback?code=a&state=b', { headers }) },
  state_mismatch: {
    async ask(headers) {
      const browser = gateway.browser().hasRetried();
      await browser.beginLogin();
      return browser.send('/auth/callback?code=a&state=b', { headers });
    },
  },
  code_rejected: { ask: loginWhile({ tokenError: 'invalid_grant' }) },
  session_required: { ask: plain('/auth/callback?error=login_required') },
  // A page load without a session goes to the login; a form that is sent cannot.
  session_expired: { ask: plain('/app/', { method: 'POST', headers: { cookie: `edgegate-session=${'A'.repeat(64)}` } }) },
  refresh_rejected: {
    async ask(headers) {
      const browser = await gateway.signedIn();
      await gateway.passTime(3601);
      gateway.cognito.set({ tokenError: 'invalid_grant' });
      const response = await browser.send('/app/', { method: 'POST', headers });
      await gateway.allWell();
      return response;
    },
  },
  token_invalid: { ask: plain('/user-info', { headers: { authorization: 'Bearer nonsense' } }), json: true },
  forbidden: {
    async ask(headers) {
      return (await gateway.signedIn({ email: 'bob@example.com' })).send('/admin/', { headers });
    },
  },
  csrf_rejected: { ask: plain('/auth/logout', { method: 'POST', body: '', headers: { ...form, 'sec-fetch-site': 'cross-site' } }) },
  login_denied: { ask: plain('/auth/callback?error=access_denied') },
  not_found: { ask: plain('/auth/nothing') },
  method_not_allowed: { ask: plain('/', { method: 'POST' }) },
  payload_too_large: {
    ask: plain('/auth/logout', {
      method: 'POST', body: 'x'.repeat(17_000), headers: { ...form, origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin' },
    }),
  },
  uri_too_long: { ask: plain(`/?${'x'.repeat(9000)}`) },
  rate_limited: { ask: (headers) => untilLimited('/auth/callback', headers), where: limited },
  headers_too_large: { ask: plain('/', { headers: { cookie: `x=${'x'.repeat(33_000)}` } }) },
  config_invalid: { ask: plain('/', {}, broken), where: broken },
  idp_misconfigured: { ask: loginWhile({ tokenError: 'invalid_client' }) },
  internal: { ask: loginWhile({}, { signatures: 'fail' }) },
  idp_invalid_response: { ask: loginWhile({ tokenFault: 'html200' }) },
  token_rejected: { ask: loginWhile({ badSignature: 'id' }) },
  origin_unavailable: {
    async ask(headers) {
      await gateway.setWorld({ unreachable: site.origin });
      const response = await gateway.fetch('/', { headers });
      await gateway.allWell();
      return response;
    },
  },
  idp_unavailable: { ask: loginWhile({ tokenFault: '500' }) },
  idp_throttled: { ask: loginWhile({ tokenFault: '429' }) },
  store_unavailable: {
    async ask(headers) {
      await gateway.setWorld({ kv: { get: 'KV GET failed: 500', getWithMetadata: 'KV GET failed: 500' } });
      const response = await gateway.fetch('/app/', { headers: { ...headers, cookie: `edgegate-session=${'B'.repeat(64)}` } });
      await gateway.allWell();
      return response;
    },
  },
  idp_timeout: {
    where: slow,
    async ask(headers) {
      const browser = slow.browser();
      return browser.send(await browser.authenticate(await browser.beginLogin()), { headers });
    },
  },
  origin_timeout: { ask: plain('/silent', {}, slow), where: slow },
};

const CALLERS = {
  script: OWN_SCRIPT,
  en: { ...NAVIGATION, 'accept-language': 'en-US,en;q=0.9,ko;q=0.8' },
  ko: { ...NAVIGATION, 'accept-language': 'ko-KR,ko;q=0.9,en;q=0.8' },
};
const askAll = async ({ ask }) => {
  const answers = {};
  for (const [caller, headers] of Object.entries(CALLERS)) answers[caller] = await ask(headers);
  return answers;
};
const askAllAtOnce = async ({ ask }) => Object.fromEntries(await Promise.all(
  Object.entries(CALLERS).map(async ([caller, headers]) => [caller, await ask(headers)]),
));
// Time-outs take their seconds beside the other tests.
const late = { idp_timeout: askAllAtOnce(CASES.idp_timeout), origin_timeout: askAllAtOnce(CASES.origin_timeout) };

test('the list is that of the README, and every code on it is produced here', () => {
  assert.deepEqual(Object.keys(CASES).sort(), Object.keys(CODES).sort());
  if (!existsSync(`${ROOT}/README.md`)) return;
  const readme = readFileSync(`${ROOT}/README.md`, 'utf8');
  for (const code of Object.keys(CODES)) assert.ok(readme.includes(`\`${code}\``), `README.md does not have \`${code}\``);
  // Rows of a table that begin with statuses name codes, and no other ones.
  const rows = readme.split('\n').filter((line) => /^\| *[45]\d\d/.test(line));
  const named = rows.flatMap((row) => [...row.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map(([, code]) => code));
  for (const code of named) assert.ok(Object.hasOwn(CODES, code), `README.md has \`${code}\`, which is not produced here`);
});

describe('produced in the real runtime:', () => {
  for (const [code, { where = gateway, json = false, ...each }] of Object.entries(CASES)) {
    test(`${CODES[code]} ${code}`, async () => {
      const answers = await (late[code] ?? askAll(each));
      const { requestId } = await assertErrorJson(answers.script, CODES[code], code);
      if (code !== 'config_invalid') {
        const line = await where.lineOf(requestId);
        assert.equal(line?.code, code, 'the log has the same code under the same id');
        assert.equal(line.status, String(CODES[code]));
      }
      for (const language of ['en', 'ko']) {
        const response = answers[language];
        if (json) {
          await assertErrorJson(response, CODES[code], code);
          continue;
        }
        assert.equal(response.headers.get('content-language'), language);
        assert.match(response.headers.get('vary') ?? '', /accept-language/i);
        await assertErrorPage(response, CODES[code], code, { language });
      }
    });
  }
});

test('the sentences differ from code to code and say nothing of what is inside', async () => {
  const sentences = new Map();
  for (const code of [
    'invalid_request', 'login_expired', 'not_found', 'method_not_allowed', 'login_denied', 'uri_too_long', 'headers_too_large',
    'token_invalid', 'session_required',
  ]) {
    const { message } = await (await CASES[code].ask(OWN_SCRIPT)).json();
    assert.equal(sentences.has(message), false, message);
    sentences.set(message, code);
    assert.doesNotMatch(message, /cognito|kv|worker|panic|error:|rust|undefined|null/i);
  }
});

describe('the language of a page', () => {
  for (const [header, language] of [
    [undefined, 'en'], ['ko', 'ko'], ['fr,de', 'en'], ['fr,ko;q=0.5', 'ko'], ['en;q=0.3,ko;q=0.9', 'ko'], ['ko;q=0', 'en'], [';;q=', 'en'],
  ]) {
    test(`for Accept-Language ${header} is ${language}`, async () => {
      const headers = { ...NAVIGATION, ...(header && { 'accept-language': header }) };
      await assertErrorPage(await gateway.fetch('/auth/nothing', { headers }), 404, 'not_found', { language });
    });
  }
});

describe('the optional rate limit', () => {
  test('is not there unless it is bound', async () => {
    for (let index = 0; index < 5; index += 1) assert.equal((await gateway.fetch('/auth/callback', { headers: OWN_SCRIPT })).status, 400);
  });

  test('holds for logins, and leaves the site, /config and /healthz alone', async () => {
    await assertErrorPage(await untilLimited('/auth/login', NAVIGATION), 429, 'rate_limited');
    for (const path of ['/', '/config', '/healthz']) {
      for (let index = 0; index < 3; index += 1) assert.equal((await limited.fetch(path, { headers: OWN_SCRIPT })).status, 200);
    }
  });
});
