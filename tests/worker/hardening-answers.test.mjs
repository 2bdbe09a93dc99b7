// Every route, method, caller and failure, asked once; then all answers together are held against what every answer promises.

import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';

import { FAULTY, NAVIGATION, OWN_SCRIPT, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';

/** On https, as in production, and on this machine, so that the local Cognito may be plain http. */
const APP = 'https://localhost:8787';
/** wrangler's proxy, to which the tests speak http, writes http for https into headers that name the host. */
const APP_IN_HEADERS = 'http://localhost:8787';
const SIBLING = 'https://admin.example.com';
const YEAR_SECS = 31_536_000;

/** The site marks its answers, so that only the gateway's own are looked at. */
const MARK = { 'x-from': 'site', 'content-type': 'text/plain' };
const site = await startOrigin({ '/': { headers: MARK, body: 'site' }, '/app/': { headers: MARK, body: 'app' }, '/admin/': { headers: MARK, body: 'admin' } });
const RULES = JSON.stringify([{ path: '/', allow: 'public' }, { path: '/admin/*', allow: { groups: ['admin'] } }, { path: '/*', allow: 'signed-in' }]);
const vars = { PUBLIC_URL: APP, ORIGIN_URL: site.origin, ALLOWED_ORIGINS: SIBLING, RULES };
const [gateway, limited] = await Promise.all([
  startGateway({ main: FAULTY, vars }),
  startGateway({ vars, config: { ratelimits: [{ name: 'RATE_LIMITER', namespace_id: '1', simple: { limit: 1, period: 60 } }] } }),
]);
after(async () => {
  await Promise.all([gateway.close(), limited.close()]);
  site.close();
});

const COGNITOS = [gateway, limited].map(({ cognito }) => cognito.origin);

/** {what, status, headers, text}, of the gateway's own answers. */
const answers = [];

async function note(what, asked) {
  const response = await asked;
  const text = await response.text();
  if (response.headers.get('x-from') !== 'site') answers.push({ what, status: response.status, headers: response.headers, text });
  return response;
}

const ROUTES = [
  '/config', '/user-info', '/auth/login', '/auth/callback', '/auth/token', '/auth/refresh', '/auth/status', '/healthz', '/readyz', '/auth/logout',
  '/auth/nothing', '/user-info/x.css', '/', '/app/', '/admin/', '/a%2fb', '/app/;x', `/?${'x'.repeat(9000)}`,
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const CALLERS = {
  script: { ...OWN_SCRIPT, origin: APP },
  person: NAVIGATION,
  form: { ...NAVIGATION, origin: APP, 'sec-fetch-site': 'same-origin', 'content-type': 'application/x-www-form-urlencoded' },
  sibling: { ...OWN_SCRIPT, origin: SIBLING, 'sec-fetch-site': 'same-site' },
  stranger: { ...OWN_SCRIPT, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  frame: { ...NAVIGATION, 'sec-fetch-dest': 'iframe' },
  prefetch: { ...NAVIGATION, 'sec-purpose': 'prefetch' },
  'old client': {},
  'API client': { authorization: 'Bearer nonsense' },
};

/** The odd methods and a session are for those whom they could make a difference to. */
async function everyRoute() {
  const bob = await gateway.signedIn({ email: 'bob@example.com' });
  for (const [caller, headers] of Object.entries(CALLERS)) {
    const browsers = { nobody: gateway.browser(), ...(['script', 'person', 'form', 'stranger'].includes(caller) && { bob }) };
    for (const [who, browser] of Object.entries(browsers)) {
      for (const method of caller === 'script' ? METHODS : ['GET', 'HEAD', 'POST', 'OPTIONS']) {
        for (const path of ROUTES) {
          // A copy: what one answer sets or clears is not for the next request.
          await note(`${method} ${path.slice(0, 20)} by ${caller}, ${who}`, browser.copy().send(path, { method, headers }));
        }
      }
    }
  }
}

async function everyEndOfALogin() {
  for (const [what, switches, world = {}] of [
    ['good', {}], ['refused code', { tokenError: 'invalid_grant' }], ['refused client', { tokenError: 'invalid_client' }], ['429', { tokenFault: '429' }],
    ['500', { tokenFault: '500' }], ['HTML', { tokenFault: 'html200' }], ['bad token', { badSignature: 'id' }],
    ['denied', { authorizeError: { error: 'access_denied' } }], ['no store', {}, { kv: { put: 'KV PUT failed: 500' } }],
    ['no cryptography', {}, { signatures: 'fail' }],
  ]) {
    for (const [caller, headers] of Object.entries({ person: NAVIGATION, script: OWN_SCRIPT })) {
      const browser = gateway.browser();
      gateway.cognito.set(switches);
      const callbackUrl = await browser.authenticate(await browser.beginLogin('/app/'));
      await gateway.setWorld(world);
      await note(`callback, ${what}, ${caller}`, browser.send(callbackUrl, { headers }));
      await note(`callback again, ${what}, ${caller}`, browser.send(callbackUrl, { headers }));
      await gateway.allWell();
    }
  }
  const browser = gateway.browser();
  await browser.beginLogin();
  await note('callback of another login', browser.navigate(`/auth/callback?code=${randomUUID()}&state=other`));
}

async function everyTurnOfASession() {
  const browser = await gateway.signedIn();
  await note('refresh', browser.post('/auth/refresh'));
  await note('forced refresh', browser.post('/auth/refresh', { force: true }));
  await note('bad refresh', browser.post('/auth/refresh', []));
  await note('long body', browser.post('/auth/refresh', { pad: 'x'.repeat(17_000) }));
  await note('long cookie', browser.send('/app/', { headers: { ...NAVIGATION, cookie: `x=${'x'.repeat(33_000)}` } }));
  await note('bearer', gateway.fetch('/user-info', { headers: { authorization: `Bearer ${gateway.cognito.mint('id')}` } }));
  for (const failure of ['get', 'put']) {
    await gateway.passTime(31);
    await gateway.setWorld({ kv: { [failure]: 'KV failed: 500', getWithMetadata: failure === 'get' ? 'KV failed: 500' : undefined } });
    for (const ask of [() => browser.navigate('/app/'), () => browser.script('/user-info'), () => browser.copy().postForm('/auth/logout')]) {
      await note(`no store for ${failure}`, ask());
    }
    await gateway.allWell();
  }
  const refused = await gateway.signedIn();
  await gateway.passTime(3601);
  gateway.cognito.set({ tokenError: 'invalid_grant' });
  for (const ask of [() => refused.navigate('/app/'), () => refused.script('/app/'), () => refused.post('/auth/refresh')]) {
    await note('refused renewal', ask());
  }
  await gateway.allWell();
  await gateway.setWorld({ unreachable: site.origin });
  await note('no origin', gateway.browser().navigate('/'));
  await gateway.allWell();
  const last = await gateway.signedIn();
  await note('page of the sign-out', last.navigate('/auth/logout'));
  await note('logout', last.copy().post('/auth/logout'));
  await note('logout by form', last.postForm('/auth/logout'));
  for (let index = 0; index < 3; index += 1) await note('limited', limited.fetch('/auth/login', { headers: NAVIGATION }));
}

before(async () => {
  await everyRoute();
  await everyEndOfALogin();
  await everyTurnOfASession();
});

/** Holds every answer against `check`, which may pass over some: at least `least` must be left. */
function each(least, check) {
  let count = 0;
  for (const answer of answers) {
    try {
      if (check(answer) !== false) count += 1;
    } catch (error) {
      error.message = `${answer.what} (${answer.status}): ${error.message}`;
      throw error;
    }
  }
  assert.ok(count >= least, `${count} answers were looked at, not ${least}`);
}

const isPage = ({ headers }) => headers.get('content-type')?.startsWith('text/html');

test('the answers are of every kind', () => {
  const statuses = new Set(answers.map(({ status }) => status));
  for (const status of [200, 204, 302, 303, 400, 401, 403, 404, 405, 413, 414, 429, 431, 500, 502, 503]) assert.ok(statuses.has(status), `no ${status}`);
  assert.ok(answers.length > 900, `${answers.length}`);
});

test('no answer is stored but /config', () => {
  each(900, ({ what, status, headers }) => {
    const isConfig = /^(GET|HEAD) \/config /.test(what) && status === 200;
    assert.match(headers.get('cache-control') ?? '', isConfig ? /^public, max-age=\d+$/ : /^no-store$/);
    for (const name of ['expires', 'cdn-cache-control', 'surrogate-control', 'etag', 'last-modified']) assert.equal(headers.get(name), null, name);
  });
});

test('a body says what it is, and nobody may guess', () => {
  each(900, ({ headers }) => assert.equal(headers.get('x-content-type-options'), 'nosniff'));
  each(500, (answer) => {
    const { headers, text } = answer;
    if (text === '') return false;
    if (isPage(answer)) {
      assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
      assert.match(text, /^<!doctype html>/);
    } else {
      assert.equal(headers.get('content-type'), 'application/json; charset=utf-8');
      assert.equal(typeof JSON.parse(text), 'object');
    }
    return true;
  });
});

test('the policy lets nothing in, and pages stand alone', () => {
  each(900, (answer) => {
    const { headers, text, status } = answer;
    const policy = Object.fromEntries(headers.get('content-security-policy').split('; ').map((part) => part.split(/ (.*)/)));
    const { 'style-src': style, 'form-action': form, ...rest } = policy;
    // A page of an error of the site, asked for by a frame: frames of our own origin may show it.
    const ancestors = / by frame,/.test(answer.what) && isPage(answer) ? "'self'" : "'none'";
    assert.deepEqual(rest, { 'default-src': "'none'", 'frame-ancestors': ancestors, 'base-uri': "'none'" });
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-site');
    // A form's POST must carry its origin; of a page that answers a HEAD the form cannot be seen.
    const signsOut = text.includes('<form method="post" action="/auth/logout"') || (status === 403 && isPage(answer) && text === '');
    assert.equal(headers.get('referrer-policy'), signsOut ? 'same-origin' : 'no-referrer');
    if (!isPage(answer)) {
      assert.deepEqual([style, form], [undefined, undefined]);
      return;
    }
    assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin');
    assert.match(style, /^'sha256-[A-Za-z0-9+/]{43}='$/);
    assert.ok(COGNITOS.some((origin) => form === `'self' ${origin} ${APP_IN_HEADERS}`), form);
    if (text === '') return; // a HEAD
    const [, sheet] = /<style>([^<]*)<\/style>/.exec(text);
    assert.equal(style, `'sha256-${createHash('sha256').update(sheet).digest('base64')}'`, 'the policy fits the page');
    assert.doesNotMatch(text, /<script|\son\w+=|\sstyle=|\ssrc=|javascript:/i);
  });
});

test('https is asked for from then on', () => {
  each(900, ({ headers }) => {
    const [, secs] = /^max-age=(\d+)$/.exec(headers.get('strict-transport-security')) ?? [];
    assert.ok(Number(secs) >= YEAR_SECS, headers.get('strict-transport-security'));
  });
});

test('redirects are 302 or 303, to a path of this site or to Cognito', () => {
  each(30, ({ status, headers }) => {
    const location = headers.get('location');
    if (status < 300 || status > 399) {
      assert.equal(location, null);
      return false;
    }
    assert.ok([302, 303].includes(status));
    const atCognito = COGNITOS.some((origin) => location.startsWith(`${origin}/oauth2/authorize?`) || location.startsWith(`${origin}/logout?`));
    assert.ok(atCognito || /^\/(?![/\\])/.test(location), location);
    return true;
  });
});

test('cookies have their whole set of attributes and fit', () => {
  const LIVES = {
    '__Host-session': ['432000', '0'], '__Host-login': ['3600', '30', '0'], '__Host-return': ['86400', '0'],
    '__Host-sign-ins': ['60', '0'], '__Host-sign-in-retry': ['60'],
  };
  each(30, ({ headers }) => {
    const lines = headers.getSetCookie();
    for (const line of lines) {
      const [pair, ...attributes] = line.split('; ');
      const [name, value] = pair.split('=');
      assert.match(name, /^__Host-(session|sign-ins|sign-in-retry|(login|return)-[\w-]{16})$/);
      const [, life] = /^Max-Age=(\d+)$/.exec(attributes.find((attribute) => attribute.startsWith('Max-Age=')));
      assert.deepEqual(attributes.sort(), ['HttpOnly', `Max-Age=${life}`, 'Path=/', 'SameSite=Lax', 'Secure'].sort());
      assert.ok(LIVES[/^__Host-(login|return)/.exec(name)?.[0] ?? name].includes(life), line);
      assert.equal(life === '0', value === '');
      assert.ok(pair.length <= 4096);
    }
    return lines.length > 0;
  });
});

test('the session cookie is touched by a login and a logout alone', () => {
  each(10, ({ what, headers }) => {
    const touched = headers.getSetCookie().some((line) => line.startsWith('__Host-session='));
    if (touched) assert.match(what, /^callback, good|^logout|^POST \/auth\/logout|^no store for/);
    return touched;
  });
});

test('no answer speaks to a stranger, and none to everybody', () => {
  each(100, ({ what, headers }) => {
    const allowed = headers.get('access-control-allow-origin');
    if (/by (stranger|person|frame|prefetch|old client|API client),/.test(what)) assert.equal(allowed, null);
    else assert.ok([null, APP_IN_HEADERS, SIBLING].includes(allowed), allowed);
    return allowed !== null;
  });
});

test('a refused method is told what there is', () => {
  each(200, ({ status, headers }) => {
    if (status !== 405) return false;
    assert.match(headers.get('allow') ?? '', /^[A-Z]+(, [A-Z]+)*$/);
    return true;
  });
});
