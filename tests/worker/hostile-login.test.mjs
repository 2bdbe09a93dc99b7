// Logins that Cognito, or somebody in its place, answers with bad tokens: the modules of OpenID's conformance suite for relying
// parties and what goes beyond them. Each is refused for its own reason, and nothing is left of it.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson } from '../support/answers.mjs';
import { FAULTY, startGateway } from '../support/gateway.mjs';
import { assertLoginRefused, assertNothingLeft } from '../support/refusals.mjs';

const gateway = await startGateway({ main: FAULTY });
const { cognito } = gateway;
after(() => gateway.close());

beforeEach(async () => {
  await gateway.allWell();
  await gateway.emptyKv();
});

const now = () => Math.floor(Date.now() / 1000);
const OTHER_ISSUER = 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other0001';

describe('a login is refused for an ID token with', () => {
  // title: [switches, the reason in the log]
  const CASES = {
    'a signature that does not match': [{ badSignature: 'id' }, 'token_signature'],
    'alg none': [{ idAlg: 'none' }, 'token_algorithm'],
    'alg none and a signature': [{ idHeader: { alg: 'none' } }, 'token_algorithm'],
    'alg HS256, keyed with the public key': [{ idAlg: 'HS256' }, 'token_algorithm'],
    'alg ES256': [{ idAlg: 'ES256' }, 'token_algorithm'],
    'alg RS512 in the header': [{ idHeader: { alg: 'RS512' } }, 'token_algorithm'],
    'alg None, spelled otherwise': [{ idHeader: { alg: 'None' } }, 'token_algorithm'],
    'no alg': [{ idHeader: { alg: null } }, 'token_not_compact'],
    'a key that is not in the key set': [{ unknownKid: 'id' }, 'token_key_unknown'],
    'the kid of the other key': [() => ({ idHeader: { kid: cognito.kids.access } }), 'token_signature'],
    // OpenID lets a client guess then. Cognito's tokens always have a kid, and a key is found by its kid only.
    'no kid, when the key set has several keys': [{ idHeader: { kid: null } }, 'token_no_key_id'],
    'no kid, when the key set has one key': [{ oneKey: true, idHeader: { kid: null } }, 'token_no_key_id'],
    'an empty kid': [{ idHeader: { kid: '' } }, 'token_no_key_id'],
    'a kid that is a number': [{ idHeader: { kid: 7 } }, 'token_not_compact'],
    'crit': [{ idHeader: { crit: ['exp'] } }, 'token_extension'],
    'an empty crit': [{ idHeader: { crit: [] } }, 'token_extension'],
    'b64': [{ idHeader: { b64: false } }, 'token_extension'],
    'zip': [{ idHeader: { zip: 'DEF' } }, 'token_extension'],
    'typ at+jwt': [{ idHeader: { typ: 'at+jwt' } }, 'token_type'],
    'another iss': [{ idClaims: { iss: OTHER_ISSUER } }, 'claim_iss'],
    'an iss with a slash': [() => ({ idClaims: { iss: `${cognito.issuer}/` } }), 'claim_iss'],
    'an iss in capitals': [() => ({ idClaims: { iss: cognito.issuer.toUpperCase() } }), 'claim_iss'],
    'no iss': [{ idClaims: { iss: null } }, 'claim_iss'],
    'another aud': [{ idClaims: { aud: 'another-client' } }, 'claim_aud'],
    'an aud besides ours': [() => ({ idClaims: { aud: [cognito.clientId, 'another-client'] } }), 'claim_aud'],
    'an aud besides ours, and azp ours': [() => ({ idClaims: { aud: [cognito.clientId, 'other'], azp: cognito.clientId } }), 'claim_aud'],
    'an empty list of aud': [{ idClaims: { aud: [] } }, 'claim_aud'],
    'no aud': [{ idClaims: { aud: null } }, 'claim_aud'],
    'another azp': [{ idClaims: { azp: 'another-client' } }, 'claim_azp'],
    'token_use access': [{ idClaims: { token_use: 'access' } }, 'claim_token_use'],
    'no token_use': [{ idClaims: { token_use: null } }, 'claim_token_use'],
    'exp that has passed': [() => ({ idClaims: { exp: now() - 1 } }), 'token_expired'],
    'no exp': [{ idClaims: { exp: null } }, 'token_times'],
    'exp as text': [() => ({ idClaims: { exp: String(now() + 3600) } }), 'token_payload'],
    'exp in milliseconds': [() => ({ idClaims: { exp: (now() + 3600) * 1000 } }), 'token_times'],
    'a negative exp': [{ idClaims: { exp: -1 } }, 'token_times'],
    'iat far ahead': [() => ({ idClaims: { iat: now() + 600 } }), 'token_from_the_future'],
    'no iat': [{ idClaims: { iat: null } }, 'token_times'],
    'nbf ahead': [() => ({ idClaims: { nbf: now() + 600 } }), 'token_from_the_future'],
    'no sub': [{ idClaims: { sub: null } }, 'claim_sub'],
    'an empty sub': [{ idClaims: { sub: '' } }, 'claim_sub'],
    'a sub of 256 characters': [{ idClaims: { sub: 'x'.repeat(256) } }, 'claim_sub'],
    'a sub that is a number': [{ idClaims: { sub: 7 } }, 'claim_sub'],
    'a sub that is not the access token\'s': [{ idClaims: { sub: 'somebody-else' } }, 'subjects_differ'],
    'another nonce': [{ badNonce: true }, 'claim_nonce'],
    'no nonce': [{ missingNonce: true }, 'claim_nonce'],
    'an empty nonce': [{ idClaims: { nonce: '' } }, 'claim_nonce'],
    'its nonce in a list': [(nonce) => ({ idClaims: { nonce: [nonce] } }), 'claim_nonce'],
    'the at_hash of another token': [{ idClaims: { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' } }, 'claim_at_hash'],
    'an at_hash that is no text': [{ idClaims: { at_hash: 7 } }, 'claim_at_hash'],
  };
  for (const [title, [switches, reason]] of Object.entries(CASES)) {
    test(title, () => assertLoginRefused(gateway, switches, { reason }));
  }
});

describe('a login is refused for an access token with', () => {
  // The ID token would tell by its at_hash; these are refused for what they are themselves.
  // title: [switches, the reason in the log]
  const CASES = {
    'a signature that does not match': [{ badSignature: 'access' }, 'token_signature'],
    'alg none': [{ accessAlg: 'none' }, 'token_algorithm'],
    'alg HS256, keyed with the public key': [{ accessAlg: 'HS256' }, 'token_algorithm'],
    'alg ES256': [{ accessAlg: 'ES256' }, 'token_algorithm'],
    'a key that is not in the key set': [{ unknownKid: 'access' }, 'token_key_unknown'],
    'crit': [{ accessHeader: { crit: ['exp'] } }, 'token_extension'],
    'another iss': [{ accessClaims: { iss: OTHER_ISSUER } }, 'claim_iss'],
    'another client_id': [{ accessClaims: { client_id: 'another-client' } }, 'claim_aud'],
    'no client_id': [{ accessClaims: { client_id: null } }, 'claim_aud'],
    'token_use id': [{ accessClaims: { token_use: 'id' } }, 'claim_token_use'],
    'exp that has passed': [() => ({ accessClaims: { exp: now() - 1 } }), 'token_expired'],
    'no exp': [{ accessClaims: { exp: null } }, 'token_times'],
    'no iat': [{ accessClaims: { iat: null } }, 'token_times'],
    'iat far ahead': [() => ({ accessClaims: { iat: now() + 600 } }), 'token_from_the_future'],
    'nbf ahead': [() => ({ accessClaims: { nbf: now() + 600 } }), 'token_from_the_future'],
    'no sub': [{ accessClaims: { sub: null } }, 'claim_sub'],
    'a sub that is not the ID token\'s': [{ accessClaims: { sub: 'somebody-else' } }, 'subjects_differ'],
  };
  for (const [title, [switches, reason]] of Object.entries(CASES)) {
    test(title, () => assertLoginRefused(gateway, switches, { reason }));
  }
});

describe('a login is refused for tokens that were put in each other\'s place:', () => {
  // Forgeries as good as can be had: by Cognito's own keys, of this user, with the nonce of this login.
  const id = (nonce, claims = {}) => cognito.mint('id', { nonce, at_hash: undefined, ...claims });
  const access = (claims = {}) => cognito.mint('access', claims);
  const answer = (members) => ({ tokenAnswer: members });

  // title: [switches, the reason in the log]
  const CASES = {
    'the access token as ID token': [
      (nonce) => answer({ id_token: access({ nonce, aud: cognito.clientId, 'cognito:username': 'alice' }) }), 'claim_token_use',
    ],
    'the ID token as access token': [
      (nonce) => answer({ access_token: id(nonce, { client_id: cognito.clientId }) }), 'claim_token_use',
    ],
    'the two exchanged': [(nonce) => answer({ id_token: access({ nonce }), access_token: id(nonce) }), 'claim_token_use'],
    'the ID token of another client': [(nonce) => answer({ id_token: id(nonce, { aud: 'another-client' }) }), 'claim_aud'],
    'the access token of another client': [() => answer({ access_token: access({ client_id: 'another-client' }) }), 'claim_aud'],
    'the access token of another login of the same user': [() => answer({ access_token: access() }), 'claim_at_hash'],
    'the access token of another user, when the ID token has no at_hash': [
      () => ({ idClaims: { at_hash: null }, ...answer({ access_token: access({ sub: cognito.users['bob@example.com'].sub }) }) }), 'subjects_differ',
    ],
    'the ID token of another login of the same user': [() => answer({ id_token: id('the-nonce-of-another-login') }), 'claim_nonce'],
    'the refresh token as ID token': [() => answer({ id_token: 'eyJjdHkiOiJKV1QifQ.AAAA.AAAA.AAAA.AAAA' }), 'token_not_compact'],
  };
  for (const [title, [switches, reason]] of Object.entries(CASES)) {
    test(title, () => assertLoginRefused(gateway, switches, { reason }));
  }

  test('and good tokens put in by hand are not refused: the cases above fail for what is wrong with them', async () => {
    const browser = gateway.browser();
    const authorizeUrl = await browser.beginLogin();
    const nonce = new URL(authorizeUrl).searchParams.get('nonce');
    cognito.set(answer({ id_token: id(nonce), access_token: access() }));
    assert.equal((await browser.arrive(await browser.authenticate(authorizeUrl))).status, 303);
    assert.equal((await browser.script('/user-info')).status, 200);
  });
});

test('a login is refused for tokens of 100 kB', () => assertLoginRefused(gateway, { oversize: 75_000 }, { reason: 'token_too_long' }));

test('a refused token is an alarm in the log, which says why and nothing of the token', async () => {
  await assertLoginRefused(gateway, { idClaims: { aud: 'another-client' } }, { reason: 'claim_aud' });
  const line = (await gateway.logs()).findLast(({ code }) => code === 'token_rejected');
  assert.equal(line.level, 'error');
  assert.doesNotMatch(JSON.stringify(line), /eyJ|another-client/);
});

test('a login that a page of the app ends, at /auth/token, is refused in the same way', async () => {
  for (const switches of [{ badSignature: 'id' }, { badNonce: true }, { idClaims: { aud: 'another-client' } }, { accessClaims: { sub: 'somebody-else' } }]) {
    await gateway.allWell();
    const browser = gateway.browser();
    cognito.set(switches);
    const { searchParams } = new URL(await browser.authenticate(await browser.beginLogin()));
    await gateway.kvOperations();
    const response = await browser.post('/auth/token', { code: searchParams.get('code'), state: searchParams.get('state') });
    await assertErrorJson(response, 502, 'token_rejected');
    await assertNothingLeft(gateway, browser, response);
    assert.deepEqual(browser.flows, []);
  }
});

test('the userinfo endpoint is never asked, so that a sub of its own cannot matter', async () => {
  const browser = await gateway.signedIn();
  await browser.script('/user-info');
  await browser.post('/auth/refresh', { force: true });
  await gateway.passTime(3601);
  await browser.script('/user-info');
  assert.deepEqual(gateway.asked('/oauth2/userInfo'), []);
  const asked = new Set(cognito.requests.map(({ path }) => path).filter((path) => !['/login', '/oauth2/authorize'].includes(path)));
  assert.deepEqual([...asked].filter((path) => !path.endsWith('/.well-known/jwks.json')), ['/oauth2/token']);
});

describe('a login is not refused for', () => {
  for (const [harmless, switches] of Object.entries({
    'typ JWT': { idHeader: { typ: 'JWT' }, accessHeader: { typ: 'JWT' } },
    'our client id as a list of one': () => ({ idClaims: { aud: [cognito.clientId] } }),
    'azp that is ours': () => ({ idClaims: { azp: cognito.clientId } }),
    'no at_hash': { idClaims: { at_hash: null } },
    'iat half a minute ahead': () => ({ idClaims: { iat: now() + 30 }, accessClaims: { iat: now() + 30 } }),
    'aud of resource binding in the access token': { resourceAud: 'https://api.example.com' },
    'a sub of 255 characters': { idClaims: { sub: 'x'.repeat(255) }, accessClaims: { sub: 'x'.repeat(255) } },
    'claims that nobody knows': { idClaims: { 'custom:new': { a: [1] }, acr: 'urn:cognito:loa:1' } },
    'a hundred groups of 128 characters': { groups100: true },
    'tokens of 40 kB': { oversize: 30_000 },
    'members of the answer that nobody knows, and bearer in lower case': { tokenAnswer: { token_type: 'bearer', new_member: [1] } },
    'a pool that has only one key': { oneKey: true },
  })) {
    test(harmless, async () => {
      cognito.set(typeof switches === 'function' ? switches() : switches);
      const browser = await gateway.signedIn();
      assert.equal((await browser.script('/user-info')).status, 200);
    });
  }

  test('a jku, x5u, jwk or x5c header: the key still comes from the key set, and nothing else is fetched', async () => {
    const elsewhere = `${cognito.origin}/redirected/jwks.json`;
    cognito.set({ idHeader: { jku: elsewhere, x5u: elsewhere, jwk: { kty: 'oct', k: 'AAAA' }, x5c: ['AAAA'] } });
    await gateway.signedIn();
    assert.deepEqual(gateway.asked('/redirected/jwks.json'), []);
  });
});
