// GET /auth/callback in hostile hands: injected codes, somebody else's login, another issuer's answer, and requests that can be
// read in two ways. Each of state, PKCE and nonce is shown to work by a login that breaks it alone.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson } from '../support/answers.mjs';
import { FAULTY, startGateway } from '../support/gateway.mjs';
import { assertNothingLeft, assertRefusedPage } from '../support/refusals.mjs';

const gateway = await startGateway({ main: FAULTY });
const { cognito } = gateway;
after(() => gateway.close());

beforeEach(async () => {
  await gateway.allWell();
  await gateway.emptyKv();
  await gateway.kvOperations();
});

const paramsOf = (url) => new URL(url).searchParams;
const challengeOf = (verifier) => createHash('sha256').update(verifier).digest('base64url');

/** A browser that has begun a login, and the URL that Cognito sends it back to. What is refused is told, not begun anew. */
async function comingBack(options) {
  const browser = gateway.browser().hasRetried();
  const authorizeUrl = await browser.beginLogin();
  return { browser, authorizeUrl, callbackUrl: await browser.authenticate(authorizeUrl, options) };
}

/** The browser arrives: refused with that code for that reason, and nothing is left of it. */
async function assertRefused(browser, url, status, code, reason) {
  const response = await browser.arrive(url);
  await assertRefusedPage(gateway, response, status, code, reason);
  await assertNothingLeft(gateway, browser, response);
  return response;
}

const assertNoTokenRequest = () => assert.deepEqual(gateway.asked('/oauth2/token'), []);

describe('code injection: the code of a victim in a login of the attacker\'s own', () => {
  /** The attacker knows the code of a victim's login and puts it into the answer to a login of the attacker's. */
  async function injected() {
    const victim = await comingBack();
    const attacker = gateway.browser().hasRetried();
    const authorizeUrl = await attacker.beginLogin();
    const code = paramsOf(victim.callbackUrl).get('code');
    return { victim, attacker, authorizeUrl, code, url: `/auth/callback?code=${code}&state=${paramsOf(authorizeUrl).get('state')}` };
  }

  test('fails at PKCE: Cognito is sent the verifier of the attacker\'s login', async () => {
    const { attacker, authorizeUrl, code, url } = await injected();
    await assertRefused(attacker, url, 400, 'code_rejected', 'invalid_grant');
    const [{ form }] = gateway.asked('/oauth2/token');
    assert.equal(form.code, code);
    assert.equal(challengeOf(form.code_verifier), paramsOf(authorizeUrl).get('code_challenge'));
  });

  test('fails at the nonce alone, where nobody checks PKCE', async () => {
    cognito.set({ ignorePkce: true });
    const { attacker, url } = await injected();
    const given = gateway.givenTokens().length;
    await assertRefused(attacker, url, 502, 'token_rejected', 'claim_nonce');
    assert.equal(gateway.givenTokens().length, given + 1, 'Cognito gave tokens');
  });

  test('fails in the victim\'s own browser too, in another of its logins', async () => {
    const { browser, callbackUrl } = await comingBack();
    const other = await browser.beginLogin();
    const url = `/auth/callback?code=${paramsOf(callbackUrl).get('code')}&state=${paramsOf(other).get('state')}`;
    await assertRefused(browser, url, 400, 'code_rejected', 'invalid_grant');
  });

  test('where nobody checks PKCE, the code is good in its own login: the nonce is what the case above fails at', async () => {
    cognito.set({ ignorePkce: true });
    const { browser, callbackUrl } = await comingBack();
    assert.equal((await browser.arrive(callbackUrl)).status, 303);
  });
});

describe('login CSRF: the attacker\'s code and state in the victim\'s browser', () => {
  test('are refused without a token request, whether or not the victim is logging in too', async () => {
    const { callbackUrl } = await comingBack();
    const victim = gateway.browser().hasRetried();
    await assertRefused(victim, callbackUrl, 400, 'login_expired', 'flow_missing');
    await victim.beginLogin();
    await assertRefused(victim, callbackUrl, 400, 'state_mismatch', 'flow_missing');
    assert.equal(victim.flows.length, 1, "the victim's own login goes on");
    assertNoTokenRequest();
  });

  test('lead a victim who has not just been there to a login of the victim\'s own, at /', async () => {
    const { callbackUrl } = await comingBack();
    const victim = gateway.browser();
    const response = await victim.arrive(callbackUrl);
    assert.equal(response.status, 302);
    assert.equal(response.headers.get('location'), '/auth/login?return_to=%2F&retry=1');
    await assertNothingLeft(gateway, victim, response);
    assertNoTokenRequest();
  });

  test('do not replace the session of a victim who is signed in', async () => {
    const { callbackUrl } = await comingBack({ email: 'bob@example.com' });
    const victim = await gateway.signedIn();
    const { session } = victim;
    const requests = gateway.asked('/oauth2/token').length;
    const response = await victim.arrive(callbackUrl);
    assert.equal(response.headers.get('location'), '/');
    assert.deepEqual(response.headers.getSetCookie(), []);
    assert.equal(victim.session, session);
    assert.equal((await (await victim.script('/user-info')).json()).email, 'alice@example.com');
    assert.equal(gateway.asked('/oauth2/token').length, requests);
  });

  test('are refused with the attacker\'s flow cookie planted under the name of the victim\'s', async () => {
    const attacker = await comingBack();
    const victim = gateway.browser().hasRetried();
    await victim.beginLogin();
    const [own] = victim.flows;
    const [planted] = attacker.browser.flows;
    victim.cookies.set(own, attacker.browser.cookies.get(planted));
    await assertRefused(victim, attacker.callbackUrl, 400, 'state_mismatch', 'flow_missing');
    assertNoTokenRequest();
  });
});

describe('a flow cookie that somebody tampered with is no flow:', () => {
  test('that of another login under the name of this one', async () => {
    const { browser, callbackUrl } = await comingBack();
    const [one] = browser.flows;
    await browser.beginLogin('/app/?other');
    const [, other] = browser.flows;
    browser.cookies.set(one, browser.cookies.get(other)); // under the right name, but sealed for another
    await assertRefused(browser, callbackUrl, 400, 'login_expired', 'flow_missing');
    assertNoTokenRequest();
  });

  test('with one changed character, wherever it is', async () => {
    const { browser, callbackUrl } = await comingBack();
    const [flow] = browser.flows;
    const value = browser.cookies.get(flow);
    for (let at = 0; at < value.length; at += 7) {
      const changed = gateway.browser().hasRetried();
      changed.cookies.set(flow, `${value.slice(0, at)}${value[at] === 'A' ? 'B' : 'A'}${value.slice(at + 1)}`);
      await assertRefused(changed, callbackUrl, 400, 'login_expired', 'flow_missing');
    }
    assertNoTokenRequest();
    assert.equal((await browser.arrive(callbackUrl)).status, 303, 'unchanged it is good');
  });

  test('twice, the second time with another value', async () => {
    const { browser, callbackUrl } = await comingBack();
    const [flow] = browser.flows;
    const retried = `${browser.retryName}=${browser.cookies.get(browser.retryName)}`;
    const cookie = `${flow}=${browser.cookies.get(flow)}; ${flow}=planted; ${retried}`;
    const response = await browser.arrive(callbackUrl, { cookie });
    await assertRefusedPage(gateway, response, 400, 'state_mismatch', 'flow_missing');
    await assertNothingLeft(gateway, browser, response);
    assertNoTokenRequest();
  });
});

describe('mix-up: the answer of another issuer (RFC 9207)', () => {
  const withIss = (url, iss) => `${url}&iss=${encodeURIComponent(iss)}`;

  for (const [title, iss] of Object.entries({
    'with the iss of another issuer is refused': 'https://evil.example',
    'with an iss that begins like ours is refused': `${cognito.issuer}1`,
    'with our iss and a slash is refused': `${cognito.issuer}/`,
    'with our iss in capitals is refused': cognito.issuer.toUpperCase(),
    'with the origin of our issuer alone is refused': cognito.origin,
    'with an empty iss is refused': '',
  })) {
    test(title, async () => {
      const { browser, callbackUrl } = await comingBack();
      await assertRefused(browser, withIss(callbackUrl, iss), 400, 'invalid_request', 'callback_query');
      assert.deepEqual(browser.flows, [], 'the flow is used up');
      assertNoTokenRequest();
    });
  }

  test('with an error besides another iss does not count as ours either', async () => {
    const { browser, callbackUrl } = await comingBack();
    await assertRefused(browser, withIss(`${callbackUrl}&error=access_denied`, 'https://evil.example'), 400, 'invalid_request', 'callback_query');
  });

  test('with the right iss is a login like any other', async () => {
    const { browser, callbackUrl } = await comingBack();
    assert.equal((await browser.arrive(withIss(callbackUrl, cognito.issuer))).status, 303);
  });
});

describe('a callback that could be read in two ways is refused, with no token request:', () => {
  const again = (name, spelled = name) => (url) => `${url}&${spelled}=${encodeURIComponent(paramsOf(url).get(name))}`;
  const add = (text) => (url) => `${url}&${text}`;
  const ours = encodeURIComponent(cognito.issuer);
  for (const [title, change] of Object.entries({
    'two codes': add('code=other'),
    'the same code twice': again('code'),
    'a second code with an encoded letter in its name': again('code', 'c%6Fde'),
    'a second code whose name is encoded whole': again('code', '%63%6f%64%65'),
    'another code before ours': (url) => url.replace('?', '?code=other&'),
    'a second code that is empty': add('code='),
    'a second code without a value': add('code'),
    'two states': add('state=other'),
    'a state spelled twice': again('state', '%73tate'),
    'a second state that is empty': add('state='),
    'two errors': add('error=access_denied&error=server_error'),
    'two errors, one spelled otherwise': add('error=access_denied&%65rror=access_denied'),
    'our iss twice': add(`iss=${ours}&iss=${ours}`),
    'our iss twice, once spelled otherwise': add(`iss=${ours}&i%73s=${ours}`),
    'our iss and another': add(`iss=${ours}&iss=https%3A%2F%2Fevil.example`),
  })) {
    test(title, async () => {
      const { browser, callbackUrl } = await comingBack();
      await assertRefused(browser, change(callbackUrl), 400, 'invalid_request', 'callback_query');
      assertNoTokenRequest();
    });
  }

  for (const [title, change, reason] of [
    ['no code', (url) => url.replace(/code=[^&]*&/, ''), 'callback_without_code'],
    ['an empty code', (url) => url.replace(/code=[^&]*/, 'code='), 'callback_without_code'],
    ['a code in the fragment', (url) => url.replace('code=', '#code='), 'callback_without_code'],
    ['a code under a name in capitals', (url) => url.replace('code=', 'CODE='), 'callback_without_code'],
    ['a code with a space before its name', (url) => url.replace('code=', '+code='), 'callback_without_code'],
    ['a code in PHP\'s list', (url) => url.replace('code=', 'code[]='), 'callback_without_code'],
    ['no state', (url) => url.replace(/&state=.*/, ''), 'callback_without_state'],
    ['an empty state', (url) => url.replace(/&state=.*/, '&state='), 'callback_without_state'],
    ['parameters parted by a semicolon', (url) => url.replace('&state', ';state'), 'callback_without_state'],
  ]) {
    test(title, async () => {
      const { browser, callbackUrl } = await comingBack();
      await assertRefused(browser, change(callbackUrl), 400, 'invalid_request', reason);
      assertNoTokenRequest();
    });
  }

  test('for a script too, as JSON', async () => {
    for (const query of ['code=a&code=b&state=c', 'code=a&state=b&%73tate=b', 'code=a&state=b&iss=x']) {
      await assertErrorJson(await gateway.browser().script(`/auth/callback?${query}`), 400, 'invalid_request');
    }
    assertNoTokenRequest();
  });
});
