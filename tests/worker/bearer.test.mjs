// GET /user-info with `Authorization: Bearer`: Cognito's tokens in the hands of API clients. Tokens come from `jose` (an independent
// implementation), so that the wasm's reading and the platform's cryptography are held against it.

import assert from 'node:assert/strict';
import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import { after, describe, test } from 'node:test';

import { jwtVerify } from 'jose';

import { assertErrorJson, assertOwnHeaders } from '../support/answers.mjs';
import { NAVIGATION, OWN_SCRIPT, startGateway } from '../support/gateway.mjs';
import { startJoseIssuer } from '../support/jose-issuer.mjs';

const jose = await startJoseIssuer({ clientId: '3localdevclient00000000000' });
const [gateway, byJose] = await Promise.all([startGateway(), startGateway({ vars: { COGNITO_ISSUER: jose.issuer } })]);
after(() => Promise.all([gateway.close(), byJose.close(), jose.close()]));

const userInfo = (authorization, { where = byJose, headers = {} } = {}) => where.fetch('/user-info', { headers: { authorization, ...headers } });
const bearer = (token, options) => userInfo(`Bearer ${token}`, options);
const ALICE = { sub: 'a1c30000-0000-4000-8000-00000000a11c', email: 'alice@example.com', email_verified: true, name: 'Alice Kim' };

describe('a bearer token is accepted:', () => {
  test("Cognito's ID token, with exactly the allow-listed claims", async () => {
    const response = await bearer(gateway.cognito.mint('id', {
      'custom:secret': 'x', phone_number: '+821012345678', given_name: 'Alice',
    }), { where: gateway });
    assert.equal(response.status, 200);
    assertOwnHeaders(response);
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.deepEqual(await response.json(), { ...ALICE, given_name: 'Alice', family_name: null, username: ALICE.sub, groups: ['admin'] });
  });

  test("Cognito's access token, whose e-mail is null", async () => {
    const response = await bearer(gateway.cognito.mint('access'), { where: gateway });
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {
      sub: ALICE.sub, email: null, email_verified: null, name: ALICE.sub, given_name: null, family_name: null, username: ALICE.sub, groups: ['admin'],
    });
  });

  test("jose's ID token and access token", async () => {
    for (const claims of [jose.idClaims(), jose.accessClaims()]) {
      const response = await bearer(await jose.sign(claims));
      assert.equal(response.status, 200);
      const { sub, username, groups } = await response.json();
      assert.deepEqual({ sub, username, groups }, { sub: 'jose-user', username: 'jose.user', groups: ['staff'] });
    }
  });

  for (const [claims, name] of [
    [{ name: 'Name', preferred_username: 'preferred' }, 'Name'],
    [{ given_name: 'Given', family_name: 'Family', preferred_username: 'preferred' }, 'Given Family'],
    [{ preferred_username: 'preferred', email: 'a@b.example' }, 'preferred'],
    [{ email: 'a@b.example' }, 'a@b.example'],
    [{}, 'jose.user'],
    [{ name: ' ' }, 'jose.user'],
  ]) {
    test(`its name falls back: ${JSON.stringify(claims)} → ${name}`, async () => {
      assert.equal((await (await bearer(await jose.sign(jose.idClaims(claims)))).json()).name, name);
    });
  }

  test('the honest email_verified, as boolean or text', async () => {
    for (const [sent, answered] of [[true, true], [false, false], ['true', true], ['false', false]]) {
      const response = await bearer(await jose.sign(jose.idClaims({ email: 'a@b.example', email_verified: sent })));
      assert.equal((await response.json()).email_verified, answered);
    }
  });

  test('the scheme in any case, and groups that are none', async () => {
    const response = await userInfo(`bEARER ${await jose.sign(jose.accessClaims({ 'cognito:groups': undefined }))}`);
    assert.deepEqual((await response.json()).groups, []);
  });
});

describe('a bearer token is refused with 401 token_invalid:', () => {
  const secretOf = (text) => createSecretKey(Buffer.from(text));
  const access = (claims) => jose.sign(jose.accessClaims(claims));
  const id = (claims) => jose.sign(jose.idClaims(claims));
  const withHeader = (header, key) => jose.sign(jose.accessClaims(), { header, key });
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const changed = async (index, change) => (await access()).split('.').map((text, at) => (at === index ? change(text) : text)).join('.');

  const FLAWS = {
    'expired': () => access({ exp: jose.now() - 1 }),
    'without exp': () => access({ exp: undefined }),
    'of another issuer': () => access({ iss: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other0001' }),
    'of an issuer that begins like ours': () => access({ iss: `${jose.issuer}1` }),
    'of ours with a slash': () => access({ iss: `${jose.issuer}/` }),
    'an access token of another client': () => access({ client_id: 'another' }),
    'an ID token of another client': () => id({ aud: 'another' }),
    'an ID token for two clients': () => id({ aud: ['3localdevclient00000000000', 'another'] }),
    'an ID token of another authorized party': () => id({ azp: 'another' }),
    'an access token that says it is an ID token': () => access({ token_use: 'id' }),
    'an ID token that says it is an access token': () => id({ token_use: 'access' }),
    'with a third token_use': () => access({ token_use: 'refresh' }),
    'without token_use': () => access({ token_use: undefined }),
    'nbf ahead': () => access({ nbf: jose.now() + 300 }),
    'iat far ahead': () => access({ iat: jose.now() + 300 }),
    'without sub': () => access({ sub: undefined }),
    'alg none, unsigned': async () => `${part({ alg: 'none', kid: jose.jwk.kid })}.${part(jose.accessClaims())}.`,
    'alg none with a signature': async () => `${part({ alg: 'none', kid: jose.jwk.kid })}.${part(jose.accessClaims())}.AAAA`,
    'HS256 with the public key in PEM': () => withHeader({ alg: 'HS256' }, secretOf(jose.spki)),
    'HS256 with the modulus': () => withHeader({ alg: 'HS256' }, createSecretKey(Buffer.from(jose.jwk.n, 'base64url'))),
    'HS256 with the JWK': () => withHeader({ alg: 'HS256' }, secretOf(JSON.stringify(jose.jwk))),
    'PS256': async () => withHeader({ alg: 'PS256' }, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    'ES256': () => withHeader({ alg: 'ES256' }, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    'by another key under the right kid': () => withHeader({}, jose.otherKey),
    'of an unknown kid': () => withHeader({ kid: 'jose-key' }),
    'without kid': () => withHeader({ kid: undefined }),
    'with crit': () => withHeader({ crit: ['exp'], exp: 1 }),
    'with typ at+jwt': () => withHeader({ typ: 'at+jwt' }),
    'with another payload': () => changed(1, () => part(jose.accessClaims({ sub: 'admin' }))),
    'with another header': () => changed(0, () => part({ alg: 'RS256', kid: jose.jwk.kid, x: 1 })),
    'with another last character of the signature': () => changed(2, (text) => text.slice(0, -2) + (text.at(-2) === 'A' ? 'B' : 'A') + text.at(-1)),
    'without signature': () => changed(2, () => ''),
    'of two parts': async () => (await access()).split('.').slice(0, 2).join('.'),
    'of four parts': async () => `${await access()}.AAAA`,
    'padded': () => changed(1, (text) => `${text}=`),
    'in plain base64': () => changed(1, () => Buffer.from(JSON.stringify(jose.accessClaims({ x: '???>>>' }))).toString('base64')),
    'as JSON serialisation': async () => {
      const [header, payload, signature] = (await access()).split('.');
      return JSON.stringify({ protected: header, payload, signature });
    },
    'of five parts, as a refresh token': async () => 'eyJjdHkiOiJKV1QifQ.AAAA.AAAA.AAAA.AAAA',
    'that is a word': async () => 'token',
  };
  for (const [flaw, make] of Object.entries(FLAWS)) {
    test(flaw, async () => {
      const response = await bearer(await make());
      assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer\b/);
      await assertErrorJson(response, 401, 'token_invalid');
    });
  }

  for (const [what, authorization] of Object.entries({
    'no token': async () => 'Bearer',
    'no token after the space': async () => 'Bearer ',
    'the Basic scheme': async () => `Basic ${Buffer.from('alice@example.com:Passw0rd!').toString('base64')}`,
    'a token without scheme': () => access(),
    'another scheme with a good token': async () => `DPoP ${await access()}`,
    'two tokens': async () => `Bearer ${await access()} ${await access()}`,
    'two tokens with a comma': async () => `Bearer ${await access()}, Bearer ${await access()}`,
  })) {
    test(what, async () => {
      const response = await userInfo(await authorization());
      assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer\b/);
      await assertErrorJson(response, 401, 'token_invalid');
    });
  }
});

test('for every signed flaw in a claim or key the verdict is that of jose, and a good token is good for both', async () => {
  const options = { issuer: jose.issuer, algorithms: ['RS256'], requiredClaims: ['exp', 'iat', 'sub'] };
  const cases = [
    jose.sign(jose.accessClaims()),
    jose.sign(jose.accessClaims({ exp: jose.now() - 1 })),
    jose.sign(jose.accessClaims({ iss: 'https://evil.example' })),
    jose.sign(jose.accessClaims({ sub: undefined })),
    jose.sign(jose.accessClaims(), { key: jose.otherKey }),
  ];
  for (const [index, token] of (await Promise.all(cases)).entries()) {
    const verdict = await jwtVerify(token, jose.publicKey, options).then(() => 200, () => 401);
    assert.equal((await bearer(token)).status, verdict, `case ${index}`);
    assert.equal(verdict, index === 0 ? 200 : 401);
  }
});

describe('Bearer opens /user-info only:', () => {
  const good = () => ({ authorization: `Bearer ${gateway.cognito.mint('access')}` });

  test('not a page', async () => {
    await assertErrorJson(await gateway.fetch('/app/', { headers: { ...OWN_SCRIPT, ...good() } }), 401, 'session_required');
    const page = await gateway.fetch('/app/', { headers: { ...NAVIGATION, ...good() } });
    assert.equal(page.status, 302);
    assert.equal(page.headers.get('location'), '/auth/login?return_to=%2Fapp%2F');
  });

  test('not /auth/refresh', async () => {
    await assertErrorJson(await gateway.browser().post('/auth/refresh', undefined, good()), 401, 'session_required');
  });

  test('not /auth/status', async () => {
    assert.equal((await (await gateway.browser().script('/auth/status', { headers: good() })).json()).authenticated, false);
  });

  test('not /auth/logout: it ends the session of the cookie alone', async () => {
    const browser = await gateway.signedIn();
    assert.equal((await gateway.browser().post('/auth/logout', undefined, good())).status, 200);
    assert.equal((await browser.script('/user-info')).status, 200);
  });
});

describe('an Authorization header alone decides:', () => {
  test('a bad one is refused although the cookie is good', async () => {
    const browser = await gateway.signedIn();
    for (const authorization of ['Bearer nonsense', 'Basic YWxpY2U6eA==', 'Bearer']) {
      await assertErrorJson(await browser.script('/user-info', { headers: { authorization } }), 401, 'token_invalid');
    }
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test("a good one speaks for its own person, not for the cookie's", async () => {
    const browser = await gateway.signedIn({ email: 'bob@example.com' });
    const response = await browser.script('/user-info', { headers: { authorization: `Bearer ${gateway.cognito.mint('id')}` } });
    assert.equal((await response.json()).email, 'alice@example.com');
    assert.equal((await (await browser.script('/user-info')).json()).email, 'bob@example.com');
  });
});

test('a navigation to /user-info gets 401 JSON with WWW-Authenticate, never a redirect', async () => {
  for (const [headers, code] of [[{}, 'session_required'], [{ authorization: 'Bearer nonsense' }, 'token_invalid']]) {
    const response = await gateway.fetch('/user-info', { headers: { ...NAVIGATION, ...headers } });
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer\b/);
    await assertErrorJson(response, 401, code);
  }
});
