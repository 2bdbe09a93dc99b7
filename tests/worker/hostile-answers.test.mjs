// Hostile and broken answers of the token endpoint and of the key set: the right code, nothing left of the login, and nothing sent
// to where a redirect points.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorPage } from '../support/answers.mjs';
import { FAULTY, startGateway, withGateway } from '../support/gateway.mjs';
import { assertLoginRefused, assertNothingLeft } from '../support/refusals.mjs';
import { startThief } from '../support/thief.mjs';

const [thief, gateway] = await Promise.all([startThief(), startGateway({ main: FAULTY })]);
after(async () => {
  await gateway.close();
  thief.close();
});

beforeEach(async () => {
  await gateway.allWell();
  await gateway.emptyKv();
});

const INVALID = { status: 502, code: 'idp_invalid_response' };
const UNAVAILABLE = { status: 503, code: 'idp_unavailable' };
const MISCONFIGURED = { status: 500, code: 'idp_misconfigured' };

describe('a login that the token endpoint answers with', () => {
  const members = (tokenAnswer) => ({ tokenAnswer });
  for (const [title, [switches, expected, reason]] of Object.entries({
    '429': [{ tokenFault: '429', retryAfterSecs: 7 }, { status: 503, code: 'idp_throttled' }, 'token_endpoint_429'],
    '500': [{ tokenFault: '500' }, UNAVAILABLE, 'token_endpoint_unavailable'],
    '503': [{ tokenFault: '503' }, UNAVAILABLE, 'token_endpoint_unavailable'],
    '403 of a firewall': [{ tokenFault: '403' }, UNAVAILABLE, 'token_endpoint_unavailable'],
    '502 and HTML': [{ tokenFault: 'html' }, UNAVAILABLE, 'token_endpoint_unavailable'],
    'a connection that breaks': [{ tokenFault: 'drop' }, UNAVAILABLE, 'token_endpoint_unavailable'],
    '200 and HTML': [{ tokenFault: 'html200' }, INVALID, 'token_endpoint_answer'],
    '200 and nothing': [{ tokenFault: 'empty' }, INVALID, 'token_endpoint_answer'],
    'a list': [{ tokenFault: 'array' }, INVALID, 'token_endpoint_answer'],
    'half of the tokens': [{ tokenFault: 'truncated' }, INVALID, 'token_endpoint_answer'],
    '4 MB': [{ tokenFault: 'huge' }, INVALID, 'token_endpoint_answer'],
    'the access token twice': [{ tokenFault: 'duplicate' }, INVALID, 'token_endpoint_answer'],
    'token_type MAC': [{ tokenFault: 'badtype' }, INVALID, 'token_endpoint_answer'],
    'token_type DPoP': [members({ token_type: 'DPoP' }), INVALID, 'token_endpoint_answer'],
    'an empty token_type': [members({ token_type: '' }), INVALID, 'token_endpoint_answer'],
    'no token_type': [members({ token_type: null }), INVALID, 'token_endpoint_answer'],
    'a token_type that is a list': [members({ token_type: ['Bearer'] }), INVALID, 'token_endpoint_answer'],
    'no access_token': [{ tokenFault: 'noaccess' }, INVALID, 'token_endpoint_answer'],
    'an access_token that is an object': [members({ access_token: {} }), INVALID, 'token_endpoint_answer'],
    'an empty access_token': [members({ access_token: '' }), INVALID, 'token_endpoint_answer'],
    'an access_token that is no JWT': [members({ access_token: 'opaque' }), { status: 502, code: 'token_rejected' }, 'token_not_compact'],
    'no id_token': [{ omitIdToken: true }, INVALID, 'no_id_token'],
    'an id_token that is a number': [members({ id_token: 7 }), INVALID, 'token_endpoint_answer'],
    'an empty id_token': [members({ id_token: '' }), INVALID, 'token_endpoint_answer'],
    'an id_token that is no JWT': [members({ id_token: 'opaque' }), { status: 502, code: 'token_rejected' }, 'token_not_compact'],
    'a refresh_token that is a list': [members({ refresh_token: ['x'] }), INVALID, 'token_endpoint_answer'],
    'expires_in that is text': [members({ expires_in: '3600' }), INVALID, 'token_endpoint_answer'],
    'expires_in 0': [members({ expires_in: 0 }), INVALID, 'token_endpoint_answer'],
    'expires_in below 0': [members({ expires_in: -3600 }), INVALID, 'token_endpoint_answer'],
    'invalid_grant': [{ tokenError: 'invalid_grant' }, { status: 400, code: 'code_rejected' }, 'invalid_grant'],
    'invalid_client': [{ tokenError: 'invalid_client' }, MISCONFIGURED, 'client_refused'],
    'invalid_client and 401': [{ tokenError: 'invalid_client', invalidClient401: true }, MISCONFIGURED, 'client_refused'],
    'unauthorized_client': [{ tokenError: 'unauthorized_client' }, MISCONFIGURED, 'client_refused'],
    'unsupported_grant_type': [{ tokenError: 'unsupported_grant_type' }, MISCONFIGURED, 'client_refused'],
    'invalid_request': [{ tokenError: 'invalid_request' }, MISCONFIGURED, 'client_refused'],
    'an error that nobody knows': [{ tokenError: 'unheard_of' }, INVALID, 'token_endpoint_answer'],
  })) {
    test(title, async () => {
      const response = await assertLoginRefused(gateway, switches, { ...expected, reason });
      if (switches.retryAfterSecs) assert.equal(response.headers.get('retry-after'), '7');
    });
  }
});

describe('a token endpoint that redirects is not followed, neither on its own host nor to another:', () => {
  for (const [title, tokenFault] of Object.entries({
    'with 301': 'redirect301', 'with 302': 'redirect302', 'with 303': 'redirect303', 'with 307, which would repeat the POST': 'redirect307',
    'with 308, which would repeat the POST': 'redirect308',
  })) {
    test(title, async () => {
      for (const redirectTo of [null, `${thief.origin}/oauth2/token`]) {
        await gateway.allWell();
        await assertLoginRefused(gateway, { tokenFault, redirectTo }, { ...INVALID, reason: 'token_endpoint_answer' });
        assert.deepEqual(gateway.asked('/redirected/token'), []);
        thief.assertNotAsked(); // no code, no verifier, no client secret
      }
    });
  }
});

describe('a login whose keys cannot be had, because the key set', () => {
  /** Longer than a key set is good for. */
  const TWO_DAYS = 48 * 3600;
  beforeEach(() => gateway.passTime(TWO_DAYS));

  for (const [title, [jwksFault, expected, reason]] of Object.entries({
    'is 500': ['500', UNAVAILABLE, 'jwks_unavailable'],
    'is HTML': ['html', INVALID, 'jwks_malformed'],
    'is 4 MB long': ['huge', INVALID, 'jwks_too_large'],
    'is cut in half': ['malformed', INVALID, 'jwks_malformed'],
    'is empty': ['empty', INVALID, 'jwks_malformed'],
    'has keys in an object in place of a list': ['wrongtype', INVALID, 'jwks_malformed'],
    'has keys without kid': ['nokid', INVALID, 'jwks_malformed'],
  })) {
    test(title, async () => {
      await assertLoginRefused(gateway, { jwksFault }, { ...expected, reason });
      await assertNeverKept();
    });
  }

  test('redirects, on its own host or to another: not followed', async () => {
    for (const redirectTo of [null, `${thief.origin}/.well-known/jwks.json`]) {
      await gateway.allWell();
      await gateway.passTime(TWO_DAYS);
      await assertLoginRefused(gateway, { jwksFault: 'redirect', redirectTo }, { ...INVALID, reason: 'jwks_status' });
      assert.deepEqual(gateway.asked('/redirected/jwks.json'), []);
      thief.assertNotAsked();
      await assertNeverKept();
      await gateway.emptyKv();
    }
  });

  /** Not knowing a key is no verdict on a token; what was answered is not kept as a key set; after ten seconds it is asked for again. */
  async function assertNeverKept() {
    const bearer = { headers: { authorization: `Bearer ${gateway.cognito.mint('access')}` } };
    assert.ok((await gateway.fetch('/user-info', bearer)).status >= 500);
    await gateway.allWell();
    await gateway.passTime(11);
    const browser = await gateway.signedIn();
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.equal(gateway.asked('/jwks.json').length, 1);
  }
});

describe('a login at which nobody answers,', { concurrency: true }, () => {
  /** The answer, and that it came after the gateway's own time-out and not after Cognito's twenty seconds. */
  async function timed(switches, expected) {
    await withGateway({ main: FAULTY }, async (slow) => {
      const began = Date.now();
      await assertLoginRefused(slow, switches, expected);
      assert.ok(Date.now() - began < 15_000, `${Date.now() - began} ms`);
      assert.ok(slow.asked('/jwks.json').length <= 1);
    });
  }

  test('neither yes nor no from the token endpoint, is 504 idp_timeout after some six seconds', () => (
    timed({ tokenFault: 'slow' }, { status: 504, code: 'idp_timeout', reason: 'token_endpoint_timeout' })));

  test('no key set either, is 504 idp_timeout after some four seconds, and the set is not asked for again', () => (
    timed({ jwksFault: 'slow' }, { status: 504, code: 'idp_timeout', reason: 'jwks_timeout' })));

  test('for there is nobody, is 503 idp_unavailable', () => withGateway({ main: FAULTY }, async (alone) => {
    for (const unreachable of [`${alone.cognito.origin}/oauth2/token`, alone.cognito.issuer]) {
      await alone.setWorld({ unreachable });
      const browser = alone.browser();
      const response = await browser.signIn();
      await assertErrorPage(response, 503, 'idp_unavailable');
      await assertNothingLeft(alone, browser, response);
    }
  }));
});
