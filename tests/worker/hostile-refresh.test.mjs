// Renewals that Cognito, or somebody in its place, answers with bad tokens or none: each is refused for its own reason, the stored
// record stays as it is, and the session goes on when all is well again.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertTokenJson } from '../support/answers.mjs';
import { FAULTY, startGateway } from '../support/gateway.mjs';
import { startThief } from '../support/thief.mjs';

const HOUR = 3600;
/** After trouble a session is tried again at most every ten seconds, jittered. */
const RETRY_SECS = 15;

const [gateway, thief] = await Promise.all([startGateway({ main: FAULTY }), startThief()]);
const { cognito } = gateway;
after(async () => {
  await gateway.close();
  thief.close();
});

beforeEach(async () => {
  await gateway.crash(); // of the test before nothing goes on, such as a refresh that is asked for once more
  await gateway.allWell();
  await gateway.emptyKv();
});

const BOB = cognito.users['bob@example.com'].sub;
const bent = (switches) => (typeof switches === 'function' ? switches() : switches);
/** `mint` is free of the switches, the clock's included. */
const mint = (kind, claims) => cognito.mint(kind, { iat: gateway.now(), exp: gateway.now() + HOUR, at_hash: undefined, ...claims });

/** A renewal is refused: that answer for that reason, no cookie, no write, the record as it was. */
async function assertRefused(browser, switches, { status, code, reason }) {
  await gateway.passTime(HOUR + 1);
  cognito.set(bent(switches));
  const stored = await gateway.dumpKv();
  assert.equal(stored.length, 1);
  await gateway.kvOperations();
  const response = await browser.post('/auth/refresh');
  assert.deepEqual(response.headers.getSetCookie(), []);
  const { requestId } = await assertErrorJson(response, status, code);
  const line = await gateway.lineOf(requestId);
  assert.equal(line?.reason, reason, 'the reason in the log');
  assert.deepEqual(await gateway.dumpKv(), stored, 'the record');
  const writes = (await gateway.kvOperations()).filter((name) => name !== 'get');
  assert.deepEqual(writes, []);
}

/** The session is the same person's as before. */
async function assertLives(browser) {
  await gateway.allWell();
  await gateway.passTime(RETRY_SECS);
  const response = await browser.script('/user-info');
  assert.equal(response.status, 200);
  assert.equal((await response.json()).email, 'alice@example.com');
}

describe('a renewal is refused, and the session kept as it was, for', () => {
  for (const [title, [switches, reason]] of Object.entries({
    'another sub': [{ refreshClaims: { sub: 'somebody-else' } }, 'refresh_sub_differs'],
    'another sub in the ID token': [{ idClaims: { sub: BOB } }, 'subjects_differ'],
    'another sub in the access token': [{ accessClaims: { sub: BOB } }, 'subjects_differ'],
    'an access token of another user and no ID token': [
      () => ({ tokenAnswer: { access_token: mint('access', { sub: BOB }), id_token: null } }), 'refresh_sub_differs',
    ],
    'no sub': [{ refreshClaims: { sub: null } }, 'claim_sub'],
    'another iss': [{ refreshClaims: { iss: 'https://evil.example/pool' } }, 'claim_iss'],
    'the newer spelling of the issuer, which is not configured': [{ updatedIssuer: true }, 'claim_iss'],
    'another aud': [{ idClaims: { aud: 'another-client' } }, 'claim_aud'],
    'an aud besides ours': [() => ({ idClaims: { aud: [cognito.clientId, 'another-client'] } }), 'claim_aud'],
    'another client_id': [{ accessClaims: { client_id: 'another-client' } }, 'claim_aud'],
    'another azp': [{ idClaims: { azp: 'another-client' } }, 'claim_azp'],
    'another nonce': [{ refreshNonce: 'other' }, 'claim_nonce'],
    'a nonce that is no text': [{ idClaims: { nonce: 7 } }, 'claim_nonce'],
    'an iat of long ago': [{ refreshClaims: { iat: 1 } }, 'refresh_iat_older'],
    'an iat a minute before the last': [() => ({ refreshClaims: { iat: gateway.now() - HOUR - 61 } }), 'refresh_iat_older'],
    'an ID token with an iat of long ago': [{ idClaims: { iat: 1 } }, 'refresh_iat_older'],
    'an iat far ahead': [() => ({ refreshClaims: { iat: gateway.now() + 600 } }), 'token_from_the_future'],
    'no iat': [{ refreshClaims: { iat: null } }, 'token_times'],
    'exp that has passed': [() => ({ refreshClaims: { exp: gateway.now() - 1 } }), 'token_expired'],
    'no exp': [{ refreshClaims: { exp: null } }, 'token_times'],
    'the at_hash of another token': [{ idClaims: { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' } }, 'claim_at_hash'],
    'the access token as ID token': [() => ({ tokenAnswer: { id_token: mint('access', { aud: cognito.clientId }) } }), 'claim_token_use'],
    'the ID token as access token': [() => ({ tokenAnswer: { access_token: mint('id', { client_id: cognito.clientId }) } }), 'claim_token_use'],
    'a bad signature of the ID token': [{ badSignature: 'id' }, 'token_signature'],
    'a bad signature of the access token': [{ badSignature: 'access' }, 'token_signature'],
    'alg none': [{ idAlg: 'none' }, 'token_algorithm'],
    'alg none of the access token': [{ accessAlg: 'none' }, 'token_algorithm'],
    'alg HS256, keyed with the public key': [{ accessAlg: 'HS256' }, 'token_algorithm'],
    'alg ES256': [{ accessAlg: 'ES256' }, 'token_algorithm'],
    'a key that is not in the key set': [{ unknownKid: 'access' }, 'token_key_unknown'],
    'no kid': [{ accessHeader: { kid: null } }, 'token_no_key_id'],
    'crit': [{ accessHeader: { crit: ['exp'] } }, 'token_extension'],
  })) {
    test(title, async () => {
      const browser = await gateway.signedIn();
      await assertRefused(browser, switches, { status: 502, code: 'token_rejected', reason });
      await assertLives(browser);
    });
  }
});

describe('a renewal is not refused for', () => {
  for (const [title, switches] of Object.entries({
    'the nonce of the login': { refreshNonce: 'same' },
    'no ID token': { omitIdToken: true },
    'no auth_time': { refreshClaims: { auth_time: null } },
    'another auth_time': { refreshClaims: { auth_time: 1 } },
    'azp that is ours': () => ({ idClaims: { azp: cognito.clientId } }),
  })) {
    test(title, async () => {
      const browser = await gateway.signedIn();
      await gateway.passTime(HOUR + 1);
      cognito.set(bent(switches));
      const { email, groups } = await (await browser.script('/user-info')).json();
      assert.deepEqual({ email, groups }, { email: 'alice@example.com', groups: ['admin'] });
    });
  }
});

describe('a renewal that brings a new refresh token with tokens that are refused', () => {
  const rotated = async (switches) => {
    const browser = await gateway.signedIn();
    cognito.set({ rotation: true, rotationGrace: 0, ...switches });
    await gateway.passTime(HOUR + 1);
    await assertErrorJson(await browser.script('/user-info'), 502, 'token_rejected');
    return browser;
  };

  test('keeps the refresh token, since the old one is spent, and nothing else of it: the session goes on', async () => {
    const browser = await rotated({ badSignature: 'access', refreshClaims: { 'cognito:groups': ['root'] } });
    const [first, second] = gateway.givenTokens().slice(-2).map(({ refresh_token: token }) => token);
    assert.notEqual(first, second);
    await gateway.newIsolate();
    await assertLives(browser);
    assert.equal(gateway.refreshes().at(-1).form.refresh_token, second);
    assert.deepEqual((await (await browser.script('/user-info')).json()).groups, ['admin']);
  });

  test('takes not even that when they are another person\'s', async () => {
    const browser = await rotated({ refreshClaims: { sub: BOB } });
    const stored = await gateway.dumpKv();
    const theirs = gateway.givenTokens().at(-1).refresh_token;
    cognito.set({ refreshClaims: null });
    await gateway.passTime(RETRY_SECS);
    await assertErrorJson(await browser.script('/user-info'), 401, 'refresh_rejected');
    assert.ok(gateway.refreshes().every(({ form }) => form.refresh_token !== theirs));
    assert.deepEqual(await gateway.dumpKv(), stored, 'the record');
  });
});

describe('a renewal that the token endpoint answers otherwise keeps the session, and the stored token is served while it lives:', () => {
  const INVALID = { status: 502, code: 'idp_invalid_response', reason: 'token_endpoint_answer' };
  const UNAVAILABLE = { status: 503, code: 'idp_unavailable', reason: 'token_endpoint_unavailable' };
  const MISCONFIGURED = { status: 500, code: 'idp_misconfigured', reason: 'client_refused' };
  for (const [title, [switches, expected]] of Object.entries({
    '429': [{ tokenFault: '429' }, { status: 503, code: 'idp_throttled', reason: 'token_endpoint_429' }],
    '500': [{ tokenFault: '500' }, UNAVAILABLE],
    '503': [{ tokenFault: '503' }, UNAVAILABLE],
    '403 of a firewall': [{ tokenFault: '403' }, UNAVAILABLE],
    '502 and HTML': [{ tokenFault: 'html' }, UNAVAILABLE],
    '200 and HTML': [{ tokenFault: 'html200' }, INVALID],
    '200 and nothing': [{ tokenFault: 'empty' }, INVALID],
    'half of the tokens': [{ tokenFault: 'truncated' }, INVALID],
    '4 MB': [{ tokenFault: 'huge' }, INVALID],
    'the access token twice': [{ tokenFault: 'duplicate' }, INVALID],
    'token_type MAC': [{ tokenFault: 'badtype' }, INVALID],
    'no access_token': [{ tokenFault: 'noaccess' }, INVALID],
    'an access_token that is a number': [{ tokenAnswer: { access_token: 7 } }, INVALID],
    'an id_token that is an object': [{ tokenAnswer: { id_token: {} } }, INVALID],
    'an empty refresh_token': [{ tokenAnswer: { refresh_token: '' } }, INVALID],
    'a redirect with 301': [{ tokenFault: 'redirect301', redirectTo: thief.origin }, INVALID],
    'a redirect with 307 to another host': [{ tokenFault: 'redirect307', redirectTo: `${thief.origin}/oauth2/token` }, INVALID],
    'a redirect with 308 to another host': [{ tokenFault: 'redirect308', redirectTo: `${thief.origin}/oauth2/token` }, INVALID],
    'a redirect with 307 on its own host': [{ tokenFault: 'redirect307' }, INVALID],
    'nothing for seven seconds': [{ tokenFault: 'slow', slowMs: 7000 }, { status: 504, code: 'idp_timeout', reason: 'token_endpoint_timeout' }],
    'invalid_client': [{ tokenError: 'invalid_client' }, MISCONFIGURED],
    'invalid_client and 401': [{ tokenError: 'invalid_client', invalidClient401: true }, MISCONFIGURED],
    'unauthorized_client': [{ tokenError: 'unauthorized_client' }, MISCONFIGURED],
    'an error that nobody knows': [{ tokenError: 'unheard_of' }, INVALID],
  })) {
    test(title, async () => {
      const browser = await gateway.signedIn();
      const { access_token: stored } = await assertTokenJson(await browser.post('/auth/refresh'));
      await gateway.passTime(HOUR - 100);
      cognito.set(switches);
      assert.equal((await assertTokenJson(await browser.post('/auth/refresh'))).access_token, stored);
      await assertRefused(browser, switches, expected);
      assert.deepEqual(gateway.asked('/redirected/token'), []);
      thief.assertNotAsked(); // no refresh token, no client secret
      await assertLives(browser);
    });
  }
});
