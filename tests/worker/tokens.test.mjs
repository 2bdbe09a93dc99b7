// What a login does with bad tokens, a bad key set and a bad token endpoint: the right code, no cookie, nothing in the store.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage, assertNoSession } from '../support/answers.mjs';
import { FAULTY, startGateway, withGateway } from '../support/gateway.mjs';

const gateway = await startGateway({ main: FAULTY });
after(() => gateway.close());

beforeEach(async () => {
  await gateway.allWell();
  await gateway.emptyKv();
});

const now = () => Math.floor(Date.now() / 1000);
const OTHER_ISSUER = 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other0001';

async function assertLoginFails(where, switches, status, code) {
  where.cognito.set(switches);
  const browser = where.browser();
  const response = await browser.signIn();
  await assertErrorPage(response, status, code);
  await assertNoSession(where, browser, response);
  assert.deepEqual(browser.flows, [], 'the flow is used up');
  return response;
}

describe('a login is refused with 502 token_rejected for', () => {
  const ID = {
    'a signature that does not match': { badSignature: 'id' },
    'alg none': { idAlg: 'none' },
    'alg HS256, keyed with the public key': { idAlg: 'HS256' },
    'alg ES256': { idAlg: 'ES256' },
    'alg RS512 in the header': { idHeader: { alg: 'RS512' } },
    'alg None, spelled otherwise': { idHeader: { alg: 'None' } },
    'a key that is not in the key set': { unknownKid: 'id' },
    'the kid of the other key': () => ({ idHeader: { kid: gateway.cognito.kids.access } }),
    'no kid': { idHeader: { kid: null } },
    'crit': { idHeader: { crit: ['exp'] } },
    'an empty crit': { idHeader: { crit: [] } },
    'b64': { idHeader: { b64: false } },
    'zip': { idHeader: { zip: 'DEF' } },
    'typ at+jwt': { idHeader: { typ: 'at+jwt' } },
    'another issuer': { idClaims: { iss: OTHER_ISSUER } },
    'the issuer with a slash': () => ({ idClaims: { iss: `${gateway.cognito.issuer}/` } }),
    'the issuer in capitals': () => ({ idClaims: { iss: gateway.cognito.issuer.toUpperCase() } }),
    'no issuer': { idClaims: { iss: null } },
    'another audience': { idClaims: { aud: 'another-client' } },
    'an audience besides ours': () => ({ idClaims: { aud: [gateway.cognito.clientId, 'another-client'] } }),
    'no audience': { idClaims: { aud: null } },
    'another authorized party': { idClaims: { azp: 'another-client' } },
    'token_use access': { idClaims: { token_use: 'access' } },
    'no token_use': { idClaims: { token_use: null } },
    'exp that has passed': () => ({ idClaims: { exp: now() - 1 } }),
    'no exp': { idClaims: { exp: null } },
    'exp as text': () => ({ idClaims: { exp: String(now() + 3600) } }),
    'exp in milliseconds': () => ({ idClaims: { exp: (now() + 3600) * 1000 } }),
    'a negative exp': { idClaims: { exp: -1 } },
    'iat far ahead': () => ({ idClaims: { iat: now() + 600 } }),
    'no iat': { idClaims: { iat: null } },
    'nbf ahead': () => ({ idClaims: { nbf: now() + 600 } }),
    'no sub': { idClaims: { sub: null } },
    'an empty sub': { idClaims: { sub: '' } },
    'a sub of 256 characters': { idClaims: { sub: 'x'.repeat(256) } },
    'a sub that is a number': { idClaims: { sub: 7 } },
    'a sub that is not the access token\'s': { idClaims: { sub: 'somebody-else' } },
    'another nonce': { badNonce: true },
    'no nonce': { missingNonce: true },
    'a nonce that is a list': { idClaims: { nonce: ['x'] } },
    'the at_hash of another token': { idClaims: { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' } },
  };
  const ACCESS = {
    'a signature that does not match': { badSignature: 'access' },
    'alg none': { accessAlg: 'none' },
    'alg HS256, keyed with the public key': { accessAlg: 'HS256' },
    'alg ES256': { accessAlg: 'ES256' },
    'a key that is not in the key set': { unknownKid: 'access' },
    'crit': { accessHeader: { crit: ['exp'] } },
    'another issuer': { accessClaims: { iss: OTHER_ISSUER } },
    'another client': { accessClaims: { client_id: 'another-client' } },
    'no client': { accessClaims: { client_id: null } },
    'token_use id': { accessClaims: { token_use: 'id' } },
    'exp that has passed': () => ({ accessClaims: { exp: now() - 1 } }),
    'no exp': { accessClaims: { exp: null } },
    'iat far ahead': () => ({ accessClaims: { iat: now() + 600 } }),
    'nbf ahead': () => ({ accessClaims: { nbf: now() + 600 } }),
    'no sub': { accessClaims: { sub: null } },
    'a sub that is not the ID token\'s': { accessClaims: { sub: 'somebody-else' } },
  };
  for (const [kind, table] of Object.entries({ 'an ID token': ID, 'an access token': ACCESS })) {
    for (const [flaw, switches] of Object.entries(table)) {
      test(`${kind} with ${flaw}`, () => assertLoginFails(gateway, typeof switches === 'function' ? switches() : switches, 502, 'token_rejected'));
    }
  }

  test('tokens of 100 kB', () => assertLoginFails(gateway, { oversize: 75_000 }, 502, 'token_rejected'));

  test('and the log says why, without the token', async () => {
    await assertLoginFails(gateway, { idClaims: { aud: 'another-client' } }, 502, 'token_rejected');
    const line = gateway.logs().findLast(({ code }) => code === 'token_rejected');
    assert.equal(line.reason, 'claim_aud');
    assert.equal(line.level, 'error');
    assert.doesNotMatch(JSON.stringify(line), /eyJ|another-client/);
  });
});

describe('a login is not refused for', () => {
  for (const [harmless, switches] of Object.entries({
    'typ JWT': { idHeader: { typ: 'JWT' }, accessHeader: { typ: 'JWT' } },
    'our client id as a list of one': () => ({ idClaims: { aud: [gateway.cognito.clientId] } }),
    'azp that is ours': () => ({ idClaims: { azp: gateway.cognito.clientId } }),
    'no at_hash': { idClaims: { at_hash: null } },
    'iat half a minute ahead': () => ({ idClaims: { iat: now() + 30 }, accessClaims: { iat: now() + 30 } }),
    'aud of resource binding in the access token': { resourceAud: 'https://api.example.com' },
    'a sub of 255 characters': { idClaims: { sub: 'x'.repeat(255) }, accessClaims: { sub: 'x'.repeat(255) } },
    'claims that nobody knows': { idClaims: { 'custom:new': { a: [1] }, acr: 'urn:cognito:loa:1' } },
    'a hundred groups of 128 characters': { groups100: true },
    'tokens of 40 kB': { oversize: 30_000 },
  })) {
    test(harmless, async () => {
      gateway.cognito.set(typeof switches === 'function' ? switches() : switches);
      const browser = await gateway.signedIn();
      assert.equal((await browser.script('/user-info')).status, 200);
    });
  }

  test('a jku, x5u, jwk or x5c header: the key still comes from the key set, and nothing else is fetched', async () => {
    const elsewhere = `${gateway.cognito.origin}/redirected/jwks.json`;
    gateway.cognito.set({ idHeader: { jku: elsewhere, x5u: elsewhere, jwk: { kty: 'oct', k: 'AAAA' }, x5c: ['AAAA'] } });
    await gateway.signedIn();
    assert.deepEqual(gateway.asked('/redirected/jwks.json'), []);
  });
});

describe('an answer of the token endpoint', () => {
  const FAULTS = [
    [{ tokenFault: '429', retryAfterSecs: 7 }, 503, 'idp_throttled'],
    [{ tokenFault: '500' }, 503, 'idp_unavailable'],
    [{ tokenFault: '503' }, 503, 'idp_unavailable'],
    [{ tokenFault: '403' }, 503, 'idp_unavailable'],
    [{ tokenFault: 'html' }, 503, 'idp_unavailable'],
    [{ tokenFault: 'drop' }, 503, 'idp_unavailable'],
    [{ tokenFault: 'html200' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'empty' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'array' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'redirect301' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'redirect307' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'truncated' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'badtype' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'noaccess' }, 502, 'idp_invalid_response'],
    [{ tokenFault: 'duplicate' }, 502, 'idp_invalid_response'],
    [{ omitIdToken: true }, 502, 'idp_invalid_response'],
    [{ tokenError: 'invalid_grant' }, 400, 'code_rejected'],
    [{ tokenError: 'invalid_client' }, 500, 'idp_misconfigured'],
    [{ tokenError: 'invalid_client', invalidClient401: true }, 500, 'idp_misconfigured'],
    [{ tokenError: 'unauthorized_client' }, 500, 'idp_misconfigured'],
    [{ tokenError: 'unsupported_grant_type' }, 500, 'idp_misconfigured'],
    [{ tokenError: 'invalid_request' }, 500, 'idp_misconfigured'],
    [{ tokenError: 'unheard_of' }, 502, 'idp_invalid_response'],
  ];
  for (const [switches, status, code] of FAULTS) {
    const what = Object.entries(switches).map(([name, value]) => (value === true ? name : `${name} ${value}`)).join(', ');
    test(`with ${what} is ${status} ${code}`, async () => {
      const response = await assertLoginFails(gateway, switches, status, code);
      if (switches.retryAfterSecs) assert.equal(response.headers.get('retry-after'), '7');
      assert.equal(gateway.asked('/oauth2/token').length, 1, 'a code is never sent twice');
      assert.deepEqual(gateway.asked('/redirected/token'), [], 'redirects are not followed');
    });
  }

  test('that nobody gives, because nobody is there, is 503 idp_unavailable', async () => {
    await gateway.setWorld({ unreachable: gateway.cognito.origin });
    await assertLoginFails(gateway, {}, 503, 'idp_unavailable');
  });
});

describe('time-outs', { concurrency: true }, () => {
  test('a token endpoint that does not answer is 504 idp_timeout after some six seconds', () => withGateway({}, async (slow) => {
    const began = Date.now();
    await assertLoginFails(slow, { tokenFault: 'slow' }, 504, 'idp_timeout');
    assert.ok(Date.now() - began < 15_000, `${Date.now() - began} ms`);
  }));

  test('a key set that does not come is 504 idp_timeout after some four seconds, and is not asked for again', () => withGateway({}, async (slow) => {
    const began = Date.now();
    await assertLoginFails(slow, { jwksFault: 'slow' }, 504, 'idp_timeout');
    assert.ok(Date.now() - began < 15_000, `${Date.now() - began} ms`);
    assert.equal(slow.asked('/jwks.json').length, 1);
  }));
});

describe('a key set', { concurrency: 2 }, () => {
  for (const [fault, status, code] of [
    ['500', 503, 'idp_unavailable'],
    ['html', 502, 'idp_invalid_response'],
    ['huge', 502, 'idp_invalid_response'],
    ['redirect', 502, 'idp_invalid_response'],
    ['empty', 502, 'idp_invalid_response'],
    ['malformed', 502, 'idp_invalid_response'],
  ]) {
    test(`that is ${fault} is ${status} ${code}: never kept, tried again after ten seconds`, () => withGateway({ main: FAULTY }, async (fresh) => {
      await assertLoginFails(fresh, { jwksFault: fault }, status, code);
      assert.deepEqual(fresh.asked('/redirected/jwks.json'), []);
      const bearer = { headers: { authorization: `Bearer ${fresh.cognito.mint('access')}` } };
      const refused = await fresh.fetch('/user-info', bearer);
      assert.ok(refused.status >= 500, 'not knowing the key is no verdict on the token');

      await fresh.allWell();
      await fresh.passTime(11);
      const browser = await fresh.signedIn();
      assert.equal((await browser.script('/user-info')).status, 200);
    }));
  }

  test('once known keeps verifying while Cognito gives none, in any isolate, for a day', () => withGateway({ main: FAULTY }, async (fresh) => {
    await fresh.signedIn();
    fresh.cognito.set({ jwksFault: '500' });
    await fresh.signedIn();
    await fresh.passTime(301);
    await fresh.signedIn();
    await fresh.newIsolate();
    await fresh.signedIn();
    await fresh.passTime(24 * 3600);
    const response = await fresh.browser().signIn();
    await assertErrorPage(response, 503, 'idp_unavailable');
  }));

  test('that is rotated is fetched anew, and old keys are worth nothing after five minutes', () => withGateway({ main: FAULTY }, async (fresh) => {
    const signedByOldKey = fresh.cognito.mint('access');
    await fresh.signedIn();
    assert.equal(fresh.asked('/jwks.json').length, 1);
    fresh.cognito.rotateKeys({ keepOld: false });
    await fresh.signedIn();
    assert.equal(fresh.asked('/jwks.json').length, 2);
    await fresh.passTime(301);
    await assertErrorJson(await fresh.fetch('/user-info', { headers: { authorization: `Bearer ${signedByOldKey}` } }), 401, 'token_invalid');
    await fresh.signedIn();
  }));

  test('is fetched at most once in 30 s for forged key ids, and a rotation still gets through', () => withGateway({ main: FAULTY }, async (fresh) => {
    await fresh.signedIn();
    const fetched = () => fresh.asked('/jwks.json').length;
    assert.equal(fetched(), 1);
    const forge = (index) => fresh.cognito.mint('access', {}, { header: { kid: `forged-${index}` }, key: 'other' });
    const ask = (token) => fresh.fetch('/user-info', { headers: { authorization: `Bearer ${token}` } });
    const flood = () => Promise.all(Array.from({ length: 40 }, async (_, index) => {
      await assertErrorJson(await ask(forge(index)), 401, 'token_invalid');
    }));

    await flood();
    assert.equal(fetched(), 2, 'one for forty');
    assert.equal((await ask(fresh.cognito.mint('access'))).status, 200);
    fresh.cognito.rotateKeys();
    await flood();
    assert.equal(fetched(), 2, 'none within 30 s');

    await fresh.passTime(31);
    assert.equal((await ask(fresh.cognito.mint('access'))).status, 200, 'the new keys are found');
    await flood();
    assert.ok(fetched() <= 3, `${fetched()} requests in two times 30 s`);
  }));
});
