// Cookie tossing and shadowing, as published against other servers: cookies of a sibling host, other spellings of our names, and an
// origin that sets them. On https, where the names have the prefix __Host-.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage } from '../support/answers.mjs';
import { NAVIGATION, OWN_SCRIPT, startGateway } from '../support/gateway.mjs';
import { startOrigin } from '../support/origin.mjs';
import { getRaw } from '../support/raw.mjs';

const NAME = '__Host-session';
let setByOrigin = [];
const site = await startOrigin({
  '/app/page': (request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'set-cookie': setByOrigin });
    response.end('the page');
  },
});
const gateway = await startGateway({ vars: { PUBLIC_URL: 'https://app.example.com', ORIGIN_URL: site.origin } });
after(async () => {
  await gateway.close();
  site.close();
});

const alice = await gateway.signedIn();
const attacker = await gateway.signedIn({ email: 'bob@example.com' });

beforeEach(() => {
  setByOrigin = [];
  site.requests.length = 0;
});

/** Sent as bytes: a `Cookie` header may hold what no client writes. */
const userInfo = (cookie) => getRaw(gateway, '/user-info', [...lines(OWN_SCRIPT), `Cookie: ${cookie}`]);
const lines = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
const emailOf = ({ body }) => JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1)).email;

/** Cookies that are not ours, however much they look like it. */
const LOOKALIKES = (value) => [
  `session=${value}`, `edgegate-session=${value}`, `__host-session=${value}`, `__HOST-SESSION=${value}`, `__Host-Session=${value}`, `%5F%5FHost-session=${value}`,
  `__Host-%73ession=${value}`, `__Host-session =${value}`, `__Host-session\t=${value}`, `__Secure-session=${value}`, `__Host-session-=${value}`,
  `__Host-session[]=${value}`, `__Host-session.0=${value}`, `=__Host-session=${value}`, `==${value}`, `__Host_session=${value}`,
  `\u2000__Host-session=${value}`, `\u00a0__Host-session=${value}`, `\u0085__Host-session=${value}`, `"__Host-session"=${value}`,
  `x=y, __Host-session=${value}`, `x="; ${'__host-session'}=${value}"`, `$Version=1, __Host-session=${value}`,
  '__Host-session', `__Host-session\u0000=${value}`,
];

describe('a cookie that only looks like the session cookie', () => {
  test('is none: it signs nobody in', async () => {
    for (const cookie of LOOKALIKES(attacker.session)) {
      const response = await userInfo(cookie);
      assert.ok([400, 401].includes(response.status), `${JSON.stringify(cookie)} ${response.status}`);
      if (response.status === 401) assert.match(response.body, /session_required/);
    }
  });

  test('does not take the place of the real one, before it or after it', async () => {
    for (const other of LOOKALIKES(attacker.session)) {
      const real = `${NAME}=${alice.session}`;
      for (const cookie of [`${other}; ${real}`, `${real}; ${other}`, `${real};${other};a=b`]) {
        const response = await userInfo(cookie);
        if (response.status === 400) continue; // the platform takes no such byte
        assert.equal(response.status, 200, JSON.stringify(cookie));
        assert.equal(emailOf(response), 'alice@example.com', JSON.stringify(cookie));
      }
    }
  });
});

describe('the session cookie', () => {
  test('twice, as a sibling host or a parent path can toss it, is nobody: neither the owner nor the attacker', async () => {
    const [own, planted] = [`${NAME}=${alice.session}`, `${NAME}=${attacker.session}`];
    for (const cookie of [
      `${own}; ${planted}`, `${planted}; ${own}`, `${own}; ${own}`, `${own};${planted}`, `${own}; x=y; ${planted}`, `${own}; ${NAME}=`,
      `${own};  ${planted}`,
    ]) {
      const response = await userInfo(cookie);
      assert.equal(response.status, 401, cookie);
      assert.match(response.body, /session_required/);
      const page = await gateway.browser().navigate('/app/page', { cookie });
      assert.equal(page.status, 302);
      assert.deepEqual(page.headers.getSetCookie(), []);
    }
    assert.deepEqual(site.requests, []);
  });

  test('in two Cookie headers is the same', async () => {
    const response = await getRaw(gateway, '/user-info', [
      ...lines(OWN_SCRIPT), `Cookie: ${NAME}=${alice.session}`, `Cookie: ${NAME}=${attacker.session}`,
    ]);
    assert.equal(response.status, 401);
  });

  test('in quotes, encoded, cut, padded or in another alphabet is none', async () => {
    const { session } = alice;
    for (const value of [
      `"${session}"`, `${session}"`, `%${session.charCodeAt(0).toString(16)}${session.slice(1)}`, `${session}=`, `${session}==`, `${session} x`,
      session.slice(1), session.slice(0, -1), `${session}A`, session.replaceAll(/[-_]/g, '+').replace(/.$/, '/'),
      `${session}, ${session}`, `${session}\u00a0`,
    ]) {
      const response = await userInfo(`${NAME}=${value}`);
      assert.ok([400, 401].includes(response.status), JSON.stringify(value));
    }
  });

  test('of the attacker, planted alone, is the attacker\'s session: a page shows whose it is, and the next login ends it', async () => {
    const planted = await gateway.signedIn({ email: 'bob@example.com' });
    const victim = planted.copy();
    assert.equal((await (await victim.script('/user-info')).json()).email, 'bob@example.com');
    await victim.signIn();
    await assertErrorJson(await planted.script('/user-info'), 401, 'session_expired');
  });
});

describe('the cookie of a login', () => {
  test('under another spelling of its name is none', async () => {
    const browser = gateway.browser();
    const callbackUrl = await browser.authenticate(await browser.beginLogin());
    const [flow] = browser.flows;
    const value = browser.cookies.get(flow);
    for (const name of [flow.replace('__Host-', ''), flow.toLowerCase(), flow.replace('__Host', '%5F%5FHost'), `${flow} `, `${flow}x`]) {
      if (name === flow) continue;
      const retried = gateway.browser().hasRetried();
      const response = await retried.arrive(callbackUrl, { cookie: `${name}=${value}; ${retried.retryName}=${retried.cookies.get(retried.retryName)}` });
      await assertErrorPage(response, 400, name.startsWith('__Host-login-') && name !== flow.toLowerCase() ? 'state_mismatch' : 'login_expired');
    }
    assert.deepEqual(gateway.asked('/oauth2/token').filter(({ form }) => form.code === new URL(callbackUrl).searchParams.get('code')), []);
    assert.equal((await browser.arrive(callbackUrl)).status, 303);
  });
});

describe('between gateway and origin', () => {
  test('no cookie of ours reaches the origin in any spelling, and the others do', async () => {
    const ours = [
      `${NAME}=${alice.session}`, '__host-session=a', '__HOST-SESSION=b', '__Host-session =c', '__Host-login-abcdefghijklmnop=d',
      '__HOST-LOGIN-x=e', '__Host-session', '__Host-return-abcdefghijklmnop=f', '__Host-sign-in-retry=g',
    ];
    await getRaw(gateway, '/app/page', [...lines(NAVIGATION), `Cookie: theme=dark; ${ours.join('; ')}; lang=ko`]);
    assert.equal(site.requests.length, 1);
    assert.equal(site.requests[0].headers.cookie, 'theme=dark; lang=ko');
  });

  test('no cookie of ours reaches the origin in the value of another one, as two Cookie headers are joined', async () => {
    const own = `${NAME}=${alice.session}`;
    for (const [first, second, left] of [
      [`${own}; a=1`, own, undefined],
      [`lang=ko; ${own}; a=1`, `${own}; b=2`, 'lang=ko; b=2'],
      [`${own}; a=1`, '__Host-login-abcdefghijklmnop=x; b=2', 'b=2'],
      [`${own}; a=1`, '__HOST-SESSION =x', undefined],
      [`${own}; a=1`, 'b=2; c=3', 'a=1, b=2; c=3'],
    ]) {
      site.requests.length = 0;
      const response = await getRaw(gateway, '/app/page', [...lines(NAVIGATION), `Cookie: ${first}`, `Cookie: ${second}`]);
      assert.equal(response.status, 200, second);
      assert.equal(site.requests[0].headers.cookie, left, second);
    }
  });

  test('the origin cannot set a cookie of ours in any spelling that a browser would send back as ours', async () => {
    const evil = (name) => `${name}=evil; Secure; Path=/`;
    setByOrigin = [
      evil(NAME), evil('__HOST-SESSION'), evil('__host-session'), evil(' __Host-session'), evil('\t__Host-session'), evil('__Host-session '),
      evil('__Host-session\t'), evil('=__Host-session'), evil('= __Host-session'), evil('==__Host-session'),
      evil('__Host-login-abcdefghijklmnop'), evil('__HOST-LOGIN-x'), evil('=__Host-login-x'),
      `${NAME}=; Max-Age=0; Secure; Path=/`, 'theme=dark; Path=/',
    ];
    const response = await alice.navigate('/app/page');
    assert.equal(response.status, 200);
    assert.deepEqual(response.headers.getSetCookie(), ['theme=dark; Path=/']);
  });
});
