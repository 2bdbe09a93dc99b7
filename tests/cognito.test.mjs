// The local Cognito against the facts it imitates. Every switch has a row that fails when the switch does nothing.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { get } from 'node:http';
import { after, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';

import { startSampleApi } from '../dev/api/server.mjs';
import { PortTaken, startAll } from '../dev/cognito/main.mjs';
import { startCognito } from '../dev/cognito/server.mjs';
import { SWITCHES } from '../dev/cognito/switches.mjs';
import { signIn } from './support/sign-in.mjs';

const CALLBACK = 'http://localhost:8787/auth/callback';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ALL_SCOPES = 'openid email profile phone';

const cognito = await startCognito();
const publicCognito = await startCognito({ clientSecret: null, callbackUrls: [CALLBACK, `${CALLBACK}?tenant=1`] });
after(() => Promise.all([cognito.close(), publicCognito.close()]));

beforeEach(() => {
  cognito.reset();
  publicCognito.reset();
  cognito.users['alice@example.com'].enabled = true;
  cognito.users['alice@example.com'].groups = ['admin'];
});

// ---- A small client -------------------------------------------------------------------------------------------------

const VERIFIER = randomBytes(32).toString('base64url');
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');

/** `undefined` leaves a parameter out. */
function authorizeUrl(params = {}, server = cognito) {
  const all = {
    response_type: 'code', client_id: server.clientId, redirect_uri: CALLBACK, scope: ALL_SCOPES, state: 'state-1', nonce: 'nonce-1',
    code_challenge: CHALLENGE, code_challenge_method: 'S256', ...params,
  };
  return `${server.origin}/oauth2/authorize?${new URLSearchParams(Object.entries(all).filter(([, value]) => value !== undefined))}`;
}

const basic = (id = cognito.clientId, secret = cognito.clientSecret) => ({ authorization: `Basic ${btoa(`${id}:${secret}`)}` });

async function post(path, form, { headers = basic(), server = cognito } = {}) {
  const response = await fetch(server.origin + path, { method: 'POST', headers, body: new URLSearchParams(form), redirect: 'manual' });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : undefined };
}

async function freshCode(params, { server, ...how } = {}) {
  const { callbackUrl } = await signIn(authorizeUrl(params, server), how);
  return new URL(callbackUrl).searchParams.get('code');
}

const redeem = (code, form = {}, options = {}) => post('/oauth2/token', {
  grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: VERIFIER, ...form,
}, options);

const refresh = (token, options) => post('/oauth2/token', { grant_type: 'refresh_token', refresh_token: token }, options);

async function signedIn(params, how) {
  const { status, body } = await redeem(await freshCode(params, how));
  assert.equal(status, 200);
  return body;
}

async function go(url, init = {}) {
  const response = await fetch(url, { redirect: 'manual', ...init });
  return { status: response.status, location: response.headers.get('location'), headers: response.headers, text: await response.text() };
}

const keysOf = (server = cognito) => createRemoteJWKSet(new URL(`${server.issuer}/.well-known/jwks.json`));
const verified = async (token, keys = keysOf()) => (await jwtVerify(token, keys, { algorithms: ['RS256'] })).payload;

// ---- Authorize and sign-in ------------------------------------------------------------------------------------------

describe('authorize', () => {
  test('leads over the sign-in page to the callback with a UUID code and the state, and no iss', async () => {
    const { callbackUrl } = await signIn(authorizeUrl());
    const url = new URL(callbackUrl);
    assert.equal(url.origin + url.pathname, CALLBACK);
    assert.deepEqual([...url.searchParams.keys()], ['code', 'state']);
    assert.match(url.searchParams.get('code'), UUID);
    assert.equal(url.searchParams.get('state'), 'state-1');
    const steps = cognito.requests.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(steps, ['GET /oauth2/authorize', 'GET /login', 'POST /login']);
  });

  test('passes all its parameters to the sign-in page, which shows hint, language and accounts', async () => {
    const { location, headers, status } = await go(authorizeUrl({ lang: 'ko', login_hint: 'bob@example.com', identity_provider: 'Google' }));
    assert.equal(status, 302);
    assert.match(headers.get('set-cookie'), /^XSRF-TOKEN=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/);
    const page = await go(new URL(location, cognito.origin));
    assert.match(page.text, /lang="ko"/);
    assert.match(page.text, /name="username" value="bob@example.com"/);
    assert.match(page.text, /alice@example\.com \/ Passw0rd!/);
    assert.equal(cognito.requests.at(-1).query.identity_provider, 'Google');
  });

  const intoError = [
    ['unknown client', { client_id: 'nobody' }, 'invalid_request'],
    ['no redirect_uri', { redirect_uri: undefined }, 'redirect_mismatch'],
    ['unregistered redirect_uri', { redirect_uri: `${CALLBACK}/` }, 'redirect_mismatch'],
  ];
  for (const [name, params, error] of intoError) {
    test(`${name}: the error page, never the app`, async () => {
      const { status, location } = await go(authorizeUrl(params));
      assert.equal(status, 302);
      assert.equal(new URL(location, cognito.origin).pathname, '/error');
      assert.equal(new URL(location, cognito.origin).searchParams.get('error'), error);
      assert.equal((await go(new URL(location, cognito.origin))).status, 400);
    });
  }

  const toCallback = [
    ['no response_type', { response_type: undefined }, { error: 'invalid_request' }],
    ['implicit flow', { response_type: 'token' }, { error: 'unauthorized_client' }],
    ['challenge without method', { code_challenge_method: undefined }, { error: 'invalid_request' }],
    ['plain challenge', { code_challenge_method: 'plain' }, { error: 'invalid_request' }],
    ['malformed challenge', { code_challenge: 'short' }, { error: 'invalid_request' }],
    ['prompt=none without a session', { prompt: 'none' }, { error: 'login_required' }],
  ];
  for (const [name, params, wanted] of toCallback) {
    test(`${name}: back to the callback with ${wanted.error} and the state`, async () => {
      const { status, location } = await go(authorizeUrl(params));
      const { searchParams } = new URL(location);
      assert.equal(status, 302);
      assert.equal(searchParams.get('error'), wanted.error);
      assert.equal(searchParams.get('state'), 'state-1');
      assert.equal(searchParams.has('code'), false);
    });
  }

  for (const scope of ['openid offline_access', 'email', 'openid other/scope']) {
    test(`scope "${scope}" is refused in Cognito's odd form`, async () => {
      const { location } = await go(authorizeUrl({ scope }));
      assert.equal(location, `${CALLBACK}?error_description=invalid_scope&state=state-1&error=invalid_request`);
    });
  }

  test('state that Cognito stumbles over: JSON, % and ^', async () => {
    for (const state of ['{"a":1}', '100%', 'a^b']) assert.equal((await go(authorizeUrl({ state }))).status, 400, state);
  });

  test('no scope means all scopes of the client; a callback with a query gets &', async () => {
    const redirect = `${CALLBACK}?tenant=1`;
    const { callbackUrl } = await signIn(authorizeUrl({ scope: undefined, redirect_uri: redirect }, publicCognito));
    assert.ok(callbackUrl.startsWith(`${redirect}&code=`), callbackUrl);
    const { body } = await redeem(new URL(callbackUrl).searchParams.get('code'), {
      redirect_uri: redirect, client_id: publicCognito.clientId,
    }, { headers: {}, server: publicCognito });
    assert.equal(decodeJwt(body.access_token).scope, ALL_SCOPES);
  });

  test('cancel, wrong password, disabled account, wrong XSRF token', async () => {
    const { callbackUrl } = await signIn(authorizeUrl(), { cancel: true });
    assert.equal(new URL(callbackUrl).searchParams.get('error'), 'access_denied');
    await assert.rejects(signIn(authorizeUrl(), { password: 'wrong' }), /Incorrect username or password/);
    cognito.users['alice@example.com'].enabled = false;
    await assert.rejects(signIn(authorizeUrl()), /disabled/);
    const form = new URLSearchParams({ username: 'bob@example.com', password: 'Passw0rd!', _csrf: 'guess' });
    const forged = await go(authorizeUrl().replace('/oauth2/authorize', '/login'), { method: 'POST', body: form });
    assert.equal(forged.status, 403);
  });
});

describe('single sign-on', () => {
  const stepsAfter = async (params, jar) => {
    cognito.requests.length = 0;
    const { callbackUrl } = await signIn(authorizeUrl(params), { jar });
    return { steps: cognito.requests.length, error: new URL(callbackUrl).searchParams.get('error'), callbackUrl };
  };

  test('the cognito cookie answers the next authorize at once, prompt=none included; login and select_account ask again', async () => {
    const { jar } = await signIn(authorizeUrl());
    assert.equal((await stepsAfter({}, jar)).steps, 1);
    assert.deepEqual(await stepsAfter({ prompt: 'none' }, jar).then(({ steps, error }) => [steps, error]), [1, null]);
    assert.equal((await stepsAfter({ prompt: 'login' }, jar)).steps, 3);
    assert.equal((await stepsAfter({ prompt: 'select_account' }, jar)).steps, 3);
  });

  test('the cookie has its hour, works over http, and signing in as another user replaces it', async () => {
    const { jar } = await signIn(authorizeUrl());
    const page = await go(authorizeUrl({ prompt: 'login' }).replace('/oauth2/authorize', '/login'));
    const xsrf = /XSRF-TOKEN=([^;]+)/.exec(page.headers.get('set-cookie'))[1];
    const answer = await go(authorizeUrl({ prompt: 'login' }).replace('/oauth2/authorize', '/login'), {
      method: 'POST',
      headers: { cookie: `XSRF-TOKEN=${xsrf}; cognito=${jar.get('cognito')}` },
      body: new URLSearchParams({ _csrf: xsrf, username: 'bob@example.com', password: 'Passw0rd!' }),
    });
    assert.equal(answer.status, 302);
    assert.match(answer.headers.get('set-cookie'), /^cognito="[^"]+"; Path=\/; HttpOnly; SameSite=Lax; Max-Age=3600$/);
    const { body } = await redeem(new URL(answer.location).searchParams.get('code'));
    assert.equal(decodeJwt(body.id_token).email, 'bob@example.com');
    assert.equal((await stepsAfter({}, jar)).steps, 3, 'the first session is gone');
  });

  test('ends after ssoTtl, with the account, and at /logout', async () => {
    const { jar } = await signIn(authorizeUrl());
    cognito.users['alice@example.com'].enabled = false;
    assert.equal((await stepsAfter({ prompt: 'none' }, jar)).error, 'login_required');
    cognito.users['alice@example.com'].enabled = true;
    assert.equal((await stepsAfter({ prompt: 'none' }, jar)).error, null);

    const leave = new URLSearchParams({ client_id: cognito.clientId, logout_uri: 'http://localhost:8787/', state: 's' });
    const out = await go(`${cognito.origin}/logout?${leave}`, { headers: { cookie: `cognito=${jar.get('cognito')}` } });
    assert.deepEqual([out.status, out.location], [302, 'http://localhost:8787/']);
    assert.match(out.headers.get('set-cookie'), /^cognito=;.*Max-Age=0/);
    assert.equal((await stepsAfter({ prompt: 'none' }, jar)).error, 'login_required');

    cognito.set({ ssoTtl: 1 });
    const short = await signIn(authorizeUrl());
    await sleep(1100);
    assert.equal((await stepsAfter({ prompt: 'none' }, short.jar)).error, 'login_required');
  });

  test('logout: variants and refusals', async () => {
    const logout = (params) => go(`${cognito.origin}/logout?${new URLSearchParams(params)}`);
    const again = await logout({ client_id: cognito.clientId, redirect_uri: CALLBACK, response_type: 'code' });
    assert.match(again.location, /^\/login\?client_id=/);
    assert.match((await logout({})).text, /&#39;client_id&#39; is not present/);
    assert.match((await logout({ client_id: cognito.clientId })).text, /&#39;redirect_uri&#39; is not present/);
    const stranger = await logout({ client_id: cognito.clientId, logout_uri: 'http://localhost:8787/other' });
    assert.deepEqual([stranger.status, stranger.location], [400, null]);
  });
});

// ---- Tokens ---------------------------------------------------------------------------------------------------------

describe('token endpoint', () => {
  test('the code answer: members, headers, and both JWTs in their exact shape under two keys', async () => {
    const { status, body, headers } = await redeem(await freshCode());
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body), ['id_token', 'access_token', 'refresh_token', 'expires_in', 'token_type']);
    assert.deepEqual([body.expires_in, body.token_type], [3600, 'Bearer']);
    assert.match(headers.get('cache-control'), /no-store/);
    assert.match(headers.get('x-amz-cognito-request-id'), UUID);

    const headersOf = [body.id_token, body.access_token].map((token) => decodeProtectedHeader(token));
    for (const header of headersOf) {
      assert.deepEqual(Object.keys(header), ['kid', 'alg']);
      assert.match(header.kid, /^[A-Za-z0-9+/]{43}=$/);
    }
    assert.notEqual(headersOf[0].kid, headersOf[1].kid);

    const id = await verified(body.id_token);
    const access = await verified(body.access_token);
    const { sub, username } = cognito.users['alice@example.com'];
    const same = { sub, iss: cognito.issuer, 'cognito:groups': ['admin'], origin_jti: id.origin_jti, event_id: id.event_id, auth_time: id.auth_time, iat: id.iat, exp: id.iat + 3600 };
    const hash = createHash('sha256').update(body.access_token).digest().subarray(0, 16).toString('base64url');
    assert.deepEqual(id, {
      ...same, aud: cognito.clientId, token_use: 'id', nonce: 'nonce-1', 'cognito:username': username, at_hash: hash, jti: id.jti,
      email: 'alice@example.com', email_verified: true, name: 'Alice Kim',
    });
    assert.deepEqual(access, { ...same, client_id: cognito.clientId, token_use: 'access', version: 2, scope: ALL_SCOPES, username, jti: access.jti });
    assert.notEqual(id.jti, access.jti);
    assert.equal(body.refresh_token.split('.').length, 5);
    assert.ok(body.refresh_token.startsWith('eyJjdHkiOi') && body.refresh_token.length > 1600);
  });

  test('scopes decide: no openid, no ID token; openid alone, no e-mail; no groups, no claim', async () => {
    cognito.users['alice@example.com'].groups = [];
    const bare = await signedIn({ scope: 'openid' });
    assert.equal(decodeJwt(bare.id_token).email, undefined);
    assert.equal('cognito:groups' in decodeJwt(bare.id_token), false);
    assert.equal('cognito:groups' in decodeJwt((await signedIn({}, { email: 'bob@example.com' })).id_token), false);
    const custom = await startCognito({ scopes: ['openid', 'api/read'] });
    try {
      const { body } = await redeem(await freshCode({ scope: 'api/read' }, { server: custom }), {}, { server: custom });
      assert.deepEqual(Object.keys(body), ['access_token', 'refresh_token', 'expires_in', 'token_type']);
      assert.equal(decodeJwt(body.access_token).scope, 'api/read');
    } finally {
      await custom.close();
    }
  });

  test('resource binding puts the resource into the access token', async () => {
    assert.equal(decodeJwt((await signedIn({ resource: 'https://api.example.com' })).access_token).aud, 'https://api.example.com');
  });

  test('client authentication: Basic, post, and for a public client the id alone', async () => {
    const { clientId: id, clientSecret: secret } = cognito;
    const viaPost = await redeem(await freshCode(), { client_id: id, client_secret: secret }, { headers: {} });
    assert.equal(viaPost.status, 200);
    const code = await freshCode({}, { server: publicCognito });
    const viaPublic = await redeem(code, { client_id: publicCognito.clientId }, { headers: {}, server: publicCognito });
    assert.equal(viaPublic.status, 200);
    assert.equal((await refresh(viaPublic.body.refresh_token, { headers: {}, server: publicCognito })).body.error, 'invalid_request', 'no client at all');
  });

  test('Basic is the raw base64 of id:secret, plus signs included', async () => {
    const plus = await startCognito({ clientSecret: 'plus+plus+plus+plus+plus+plus' });
    try {
      const options = { headers: basic(plus.clientId, plus.clientSecret), server: plus };
      assert.equal((await redeem(await freshCode({}, { server: plus }), {}, options)).status, 200);
    } finally {
      await plus.close();
    }
  });

  const refusals = [
    ['no grant_type', { grant_type: undefined }, {}, 'invalid_request'],
    ['unknown grant_type', { grant_type: 'password' }, {}, 'unsupported_grant_type'],
    ['client_credentials', { grant_type: 'client_credentials' }, {}, 'unauthorized_client'],
    ['no redirect_uri', { redirect_uri: undefined }, {}, 'invalid_request'],
    ['other redirect_uri', { redirect_uri: 'http://localhost:8787/signed-in.html' }, {}, 'invalid_grant'],
    ['unknown code', { code: 'nonsense' }, {}, 'invalid_grant'],
    ['wrong secret', {}, { headers: basic(undefined, 'wrong') }, 'invalid_client'],
    ['unknown client', {}, { headers: basic('nobody') }, 'invalid_client'],
    ['no secret', { client_id: cognito.clientId }, { headers: {} }, 'invalid_client'],
    ['Basic id and body id differ', { client_id: 'other' }, {}, 'invalid_request'],
  ];
  for (const [name, form, options, error] of refusals) {
    test(`${name}: 400 {"error":"${error}"} and the code is not spent`, async () => {
      const code = await freshCode();
      const defined = Object.fromEntries(Object.entries({ grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: VERIFIER, ...form }).filter(([, value]) => value !== undefined));
      const { status, text } = await post('/oauth2/token', defined, options);
      assert.deepEqual([status, text], [400, JSON.stringify({ error })]);
      assert.equal((await redeem(code)).status, 200);
    });
  }

  test('JSON instead of a form', async () => {
    const { status, body } = await fetch(`${cognito.origin}/oauth2/token`, { method: 'POST', headers: { ...basic(), 'content-type': 'application/json' }, body: '{}' })
      .then(async (response) => ({ status: response.status, body: await response.json() }));
    assert.deepEqual([status, body], [400, { error: 'invalid_request' }]);
  });

  for (const verifier of ['x'.repeat(43), 'short', '']) {
    test(`verifier "${verifier}": invalid_grant, and the code is spent`, async () => {
      const code = await freshCode();
      assert.equal((await redeem(code, { code_verifier: verifier })).text, '{"error":"invalid_grant"}');
      assert.equal((await redeem(code)).text, '{"error":"invalid_grant"}');
    });
  }

  test('a code serves once, also for two requests at the same moment, and its tokens live on', async () => {
    const code = await freshCode();
    const answers = await Promise.all(Array.from({ length: 12 }, () => redeem(code)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(11).fill(400)]);
    const winner = answers.find(({ status }) => status === 200);
    assert.equal((await refresh(winner.body.refresh_token)).status, 200);
  });

  test('a code lasts codeTtl', async () => {
    cognito.set({ codeTtl: 1 });
    const code = await freshCode();
    await sleep(1100);
    assert.equal((await redeem(code)).body.error, 'invalid_grant');
  });
});

describe('refresh', () => {
  test('no new refresh token; times, jti and event are new; sign-in, subject and origin are not; no nonce', async () => {
    const first = await signedIn();
    await sleep(1100);
    const { body } = await refresh(first.refresh_token);
    assert.deepEqual(Object.keys(body), ['id_token', 'access_token', 'expires_in', 'token_type']);
    for (const kind of ['id_token', 'access_token']) {
      const [before, now] = [await verified(first[kind]), await verified(body[kind])];
      for (const claim of ['sub', 'iss', 'aud', 'client_id', 'auth_time', 'origin_jti', 'scope']) assert.deepEqual(now[claim], before[claim], claim);
      for (const claim of ['iat', 'exp', 'jti', 'event_id']) assert.notEqual(now[claim], before[claim], claim);
      assert.equal('nonce' in now, false);
    }
  });

  test('groups and attributes are read anew; a disabled account is refused', async () => {
    const { refresh_token: token } = await signedIn();
    cognito.users['alice@example.com'].groups = ['editors'];
    assert.deepEqual(decodeJwt((await refresh(token)).body.access_token)['cognito:groups'], ['editors']);
    cognito.users['alice@example.com'].enabled = false;
    assert.equal((await refresh(token)).text, '{"error":"invalid_grant"}');
  });

  test('rotation without grace: the old token is dead at once, the new one lives on', async () => {
    cognito.set({ rotation: true });
    const { refresh_token: first } = await signedIn();
    const { body } = await refresh(first);
    assert.ok(body.refresh_token && body.refresh_token !== first);
    assert.equal((await refresh(first)).text, '{"error":"invalid_grant"}');
    assert.equal((await refresh(body.refresh_token)).status, 200);
  });

  test('rotation with grace: the old token goes on working until the grace is over', async () => {
    cognito.set({ rotation: true, rotationGrace: 60 });
    const { refresh_token: first } = await signedIn();
    const [a, b] = [await refresh(first), await refresh(first)];
    assert.deepEqual([a.status, b.status], [200, 200]);
    assert.notEqual(a.body.refresh_token, b.body.refresh_token);
    cognito.set({ rotationGrace: 0 });
    assert.equal((await refresh(first)).status, 400);
    assert.equal((await refresh(a.body.refresh_token)).status, 200);
  });

  test('the grace runs from the first use, not from the last', async () => {
    cognito.set({ rotation: true, rotationGrace: 2 });
    const { refresh_token: first } = await signedIn();
    await refresh(first);
    await sleep(1300);
    assert.equal((await refresh(first)).status, 200);
    await sleep(1000);
    assert.equal((await refresh(first)).status, 400);
  });

  test('goes on after /logout: only the browser session has ended', async () => {
    const { callbackUrl, jar } = await signIn(authorizeUrl());
    const { body } = await redeem(new URL(callbackUrl).searchParams.get('code'));
    const leave = new URLSearchParams({ client_id: cognito.clientId, logout_uri: 'http://localhost:8787/' });
    await go(`${cognito.origin}/logout?${leave}`, { headers: { cookie: `cognito=${jar.get('cognito')}` } });
    assert.equal((await refresh(body.refresh_token)).status, 200);
  });

  test('two rotations of one token at the same moment: one wins', async () => {
    cognito.set({ rotation: true });
    const { refresh_token: first } = await signedIn();
    const answers = await Promise.all([refresh(first), refresh(first)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
  });

  test('familyRevoke: reuse kills the successor too; without it, it does not', async () => {
    for (const familyRevoke of [false, true]) {
      cognito.set({ rotation: true, familyRevoke });
      const { refresh_token: first } = await signedIn();
      const { body } = await refresh(first);
      assert.equal((await refresh(first)).status, 400);
      assert.equal((await refresh(body.refresh_token)).status, familyRevoke ? 400 : 200);
    }
  });

  test('a rotated token lives for what remained; expired tokens are invalid_grant', async () => {
    cognito.set({ rotation: true, refreshTtl: 2 });
    const { refresh_token: first } = await signedIn();
    await sleep(1100);
    const { body } = await refresh(first);
    await sleep(1100);
    assert.equal((await refresh(body.refresh_token)).text, '{"error":"invalid_grant"}');
  });

  test('the token of another, missing, nonsense', async () => {
    assert.equal((await refresh('nonsense')).text, '{"error":"invalid_grant"}');
    assert.equal((await post('/oauth2/token', { grant_type: 'refresh_token' })).text, '{"error":"invalid_request"}');
  });
});

describe('revoke and userInfo', () => {
  const info = (token) => go(`${cognito.origin}/oauth2/userInfo`, { headers: token ? { authorization: `Bearer ${token}` } : {} });

  test('revoke: empty 200, then the refresh token is dead, userInfo refuses, and the JWT still verifies', async () => {
    const { refresh_token: token, access_token: access } = await signedIn();
    const { status, text } = await post('/oauth2/revoke', { token });
    assert.deepEqual([status, text], [200, '']);
    assert.equal((await refresh(token)).text, '{"error":"invalid_grant"}');
    assert.equal((await info(access)).status, 401);
    assert.equal((await verified(access)).token_use, 'access');
    assert.equal((await post('/oauth2/revoke', { token })).status, 200, 'once more');
    assert.equal((await post('/oauth2/revoke', { token: 'nonsense' })).status, 200);
  });

  test('revoke: refusals', async () => {
    const { refresh_token: token, access_token: access } = await signedIn();
    const cases = [
      [{}, {}, 400, 'invalid_request'],
      [{ token: access }, {}, 400, 'unsupported_token_type'],
      [{ token }, { headers: basic(undefined, 'wrong') }, 401, 'invalid_client'],
      [{ token, client_id: cognito.clientId, client_secret: cognito.clientSecret }, { headers: {} }, 401, 'invalid_client'],
    ];
    for (const [form, options, status, error] of cases) {
      const answer = await post('/oauth2/revoke', form, options);
      assert.deepEqual([answer.status, answer.body], [status, { error }]);
    }
    assert.equal((await refresh(token)).status, 200);
  });

  test('userInfo: booleans are strings; openid alone reads everything; refusals in their words', async () => {
    const { sub, username } = cognito.users['alice@example.com'];
    const wanted = { sub, email: 'alice@example.com', email_verified: 'true', name: 'Alice Kim', username };
    assert.deepEqual(JSON.parse((await info((await signedIn()).access_token)).text), wanted);
    assert.deepEqual(JSON.parse((await info((await signedIn({ scope: 'openid' })).access_token)).text), wanted);
    const missing = await info();
    assert.equal(missing.status, 400);
    assert.match(missing.headers.get('www-authenticate'), /Bad OAuth2 request at UserInfo Endpoint/);
    for (const bad of ['nonsense', (await signedIn()).id_token, cognito.mint('access', {}, { key: 'other' })]) {
      const refused = await info(bad);
      assert.equal(refused.status, 401);
      assert.match(refused.headers.get('www-authenticate'), /^error="invalid_token"/);
    }
  });

  test('revokeAll ends all sign-ins of one user, and only that user', async () => {
    const [alice, bob] = [await signedIn(), await signedIn({}, { email: 'bob@example.com' })];
    cognito.revokeAll('alice@example.com');
    assert.equal((await refresh(alice.refresh_token)).status, 400);
    assert.equal((await refresh(bob.refresh_token)).status, 200);
  });
});

// ---- The issuer's documents, keys, switches --------------------------------------------------------------------------

describe('issuer', () => {
  test('JWKS and discovery under the issuer only', async () => {
    const { keys } = JSON.parse((await go(`${cognito.issuer}/.well-known/jwks.json`)).text);
    assert.equal(keys.length, 2);
    for (const key of keys) assert.deepEqual(Object.keys(key), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
    const document = JSON.parse((await go(`${cognito.issuer}/.well-known/openid-configuration`)).text);
    assert.equal(document.issuer, cognito.issuer);
    assert.equal('code_challenge_methods_supported' in document, false);
    for (const name of ['jwks.json', 'openid-configuration']) assert.equal((await go(`${cognito.origin}/.well-known/${name}`)).status, 404);
  });

  test('rotateKeys: new kids; the old keys stay published or go', async () => {
    const { access_token: old } = await signedIn();
    cognito.rotateKeys();
    assert.equal((await verified(old)).token_use, 'access');
    const { access_token: fresh } = await signedIn();
    assert.notEqual(decodeProtectedHeader(fresh).kid, decodeProtectedHeader(old).kid);
    cognito.rotateKeys({ keepOld: false });
    await assert.rejects(verified(fresh), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  });

  test('mint: good by default, bent on demand, whatever the switches say', async () => {
    cognito.set({ idAlg: 'none', idClaims: { iss: 'x' } });
    assert.equal((await verified(cognito.mint('id'))).iss, cognito.issuer);
    const bent = await verified(cognito.mint('access', { sub: 'other', username: undefined }));
    assert.deepEqual([bent.sub, 'username' in bent], ['other', false]);
    await assert.rejects(verified(cognito.mint('id', {}, { key: 'other' })), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    await assert.rejects(verified(cognito.mint('id', {}, { key: 'other', header: { kid: cognito.kids.id } })), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
    assert.equal(decodeProtectedHeader(cognito.mint('id', {}, { header: { typ: 'at+jwt' } })).typ, 'at+jwt');
  });
});

describe('switches in tokens', () => {
  const rows = [
    ['accessTtl', { accessTtl: 60 }, ({ id, body }) => id.exp - id.iat === 60 && body.expires_in === 60],
    ['updatedIssuer', { updatedIssuer: true }, ({ id }) => id.iss === `${cognito.origin}/issuer/${cognito.poolId}`],
    ['omitIdToken', { omitIdToken: true }, ({ body }) => !('id_token' in body)],
    ['badNonce', { badNonce: true }, ({ id }) => id.nonce && id.nonce !== 'nonce-1'],
    ['missingNonce', { missingNonce: true }, ({ id }) => !('nonce' in id)],
    ['injectedNonce', { injectedNonce: true }, ({ id }) => UUID.test(id.nonce), { nonce: undefined }],
    ['idClaims', { idClaims: { aud: 'x', email: null } }, ({ id, access }) => id.aud === 'x' && !('email' in id) && !('aud' in access)],
    ['accessClaims', { accessClaims: { client_id: 'x' } }, ({ id, access }) => access.client_id === 'x' && !('client_id' in id)],
    ['idHeader', { idHeader: { typ: 'JWT', kid: null } }, ({ idHeader }) => idHeader.typ === 'JWT' && !('kid' in idHeader)],
    ['accessHeader', { accessHeader: { crit: ['b64'] } }, ({ accessHeader }) => accessHeader.crit?.[0] === 'b64'],
    ['idAlg', { idAlg: 'none' }, ({ body, idHeader }) => idHeader.alg === 'none' && body.id_token.endsWith('.')],
    ['accessAlg', { accessAlg: 'HS256' }, ({ body, accessHeader }) => accessHeader.alg === 'HS256' && body.access_token.split('.')[2].length === 43],
    ['resourceAud', { resourceAud: 'https://api' }, ({ access }) => access.aud === 'https://api'],
    ['groups100', { groups100: true }, ({ id }) => id['cognito:groups'].length === 100 && id['cognito:groups'].every((name) => name.length === 128)],
    ['oversize', { oversize: 5000 }, ({ body }) => body.id_token.length > 5000 && body.access_token.length > 5000],
    ['clockOffset', { clockOffset: -600 }, ({ id }) => Math.abs(id.iat + 600 - Date.now() / 1000) < 3 && id.exp - id.iat === 3600],
  ];
  for (const [name, switches, holds, params] of rows) {
    test(name, async () => {
      const look = async () => {
        const body = await signedIn(params);
        const id = body.id_token ? decodeJwt(body.id_token) : {};
        return holds({ body, id, access: decodeJwt(body.access_token), idHeader: body.id_token ? decodeProtectedHeader(body.id_token) : {}, accessHeader: decodeProtectedHeader(body.access_token) });
      };
      assert.ok(!(await look()), 'off');
      cognito.set(switches);
      assert.ok(await look(), 'on');
    });
  }

  test('badSignature, unknownKid and ES256 fail verification, of that token only', async () => {
    for (const [switches, code] of [
      [{ badSignature: 'id' }, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'], [{ unknownKid: 'id' }, 'ERR_JWKS_NO_MATCHING_KEY'], [{ idAlg: 'ES256' }, 'ERR_JOSE_ALG_NOT_ALLOWED'],
    ]) {
      cognito.reset();
      cognito.set(switches);
      const { id_token: id, access_token: access } = await signedIn();
      await assert.rejects(verified(id), { code });
      await verified(access);
    }
  });

  test('oneKey: both tokens are signed with the only key of the set', async () => {
    cognito.set({ oneKey: true });
    const { id_token: id, access_token: access } = await signedIn();
    const { keys } = JSON.parse((await go(`${cognito.issuer}/.well-known/jwks.json`)).text);
    assert.deepEqual(keys.map(({ kid }) => kid), [cognito.kids.id]);
    for (const token of [id, access]) {
      assert.equal(decodeProtectedHeader(token).kid, cognito.kids.id);
      await verified(token);
    }
  });

  test('refreshNonce and refreshClaims: only in refreshed tokens', async () => {
    cognito.set({ refreshNonce: 'same', refreshClaims: { sub: 'other' } });
    const first = await signedIn();
    assert.equal(decodeJwt(first.id_token).sub, cognito.users['alice@example.com'].sub);
    const again = decodeJwt((await refresh(first.refresh_token)).body.id_token);
    assert.deepEqual([again.sub, again.nonce], ['other', 'nonce-1']);
    cognito.set({ refreshNonce: 'other' });
    assert.notEqual(decodeJwt((await refresh(first.refresh_token)).body.id_token).nonce, 'nonce-1');
  });
});

describe('switches at the endpoints', () => {
  const SLOW_MS = 300;
  const timed = async (work) => {
    const start = Date.now();
    const answer = await work();
    return { answer, ms: Date.now() - start };
  };

  const tokenFaults = [
    ['429', ({ status, headers }) => status === 429 && headers.get('retry-after') === '2', true],
    ['500', ({ status }) => status === 500, true],
    ['503', ({ status }) => status === 503, true],
    ['403', ({ status, text }) => status === 403 && text.includes('<html>'), true],
    ['html', ({ status, text }) => status === 502 && text.includes('<html>'), true],
    ['html200', ({ status, text }) => status === 200 && text.includes('<html>'), true],
    ['empty', ({ status, text }) => status === 200 && text === '', true],
    ['array', ({ status, text }) => status === 200 && text === '[]', true],
    ['redirect301', ({ status, headers }) => status === 301 && headers.get('location') === '/redirected/token', true],
    ['redirect302', ({ status, headers }) => status === 302 && headers.get('location') === '/redirected/token', true],
    ['redirect303', ({ status, headers }) => status === 303 && headers.get('location') === '/redirected/token', true],
    ['redirect307', ({ status, headers }) => status === 307 && headers.get('location') === '/redirected/token', true],
    ['redirect308', ({ status, headers }) => status === 308 && headers.get('location') === '/redirected/token', true],
    ['huge', ({ text, body }) => text.length > 4e6 && body.access_token && body.token_type === 'Bearer', false],
    ['badtype', ({ body }) => body.token_type === 'MAC' && body.access_token, false],
    ['noaccess', ({ status, body }) => status === 200 && !('access_token' in body), false],
    ['duplicate', ({ text }) => text.match(/"access_token"/g).length === 2, false],
  ];
  for (const [fault, holds, codeLives] of tokenFaults) {
    test(`tokenFault ${fault}, once; the code is ${codeLives ? 'kept' : 'spent'}`, async () => {
      const code = await freshCode();
      cognito.set({ tokenFault: fault, tokenFaultCount: 1 });
      assert.ok(holds(await redeem(code)));
      assert.equal((await redeem(code)).status, codeLives ? 200 : 400);
    });
  }

  test('tokenFault truncated: no JSON', async () => {
    const code = await freshCode();
    cognito.set({ tokenFault: 'truncated' });
    await assert.rejects(redeem(code), SyntaxError);
  });

  test('tokenFault drop: carried out, answer lost', async () => {
    const { refresh_token: token } = await signedIn();
    cognito.set({ rotation: true, tokenFault: 'drop', tokenFaultCount: 1 });
    await assert.rejects(refresh(token), TypeError);
    assert.equal((await refresh(token)).status, 400);
  });

  test('slow: token, JWKS, revoke; latencyMs: all', async () => {
    const { refresh_token: token } = await signedIn();
    cognito.set({ slowMs: SLOW_MS, tokenFault: 'slow', jwksFault: 'slow', revokeFault: 'slow' });
    for (const work of [() => refresh(token), () => go(`${cognito.issuer}/.well-known/jwks.json`), () => post('/oauth2/revoke', { token })]) {
      const { answer, ms } = await timed(work);
      assert.equal(answer.status, 200);
      assert.ok(ms >= SLOW_MS - 20, `${ms}`);
    }
    cognito.reset();
    cognito.set({ latencyMs: SLOW_MS });
    assert.ok((await timed(() => go(`${cognito.origin}/logout`))).ms >= SLOW_MS - 20);
  });

  test('a slow answer does not hold up close()', async () => {
    const short = await startCognito();
    short.set({ jwksFault: 'slow' });
    const pending = go(`${short.issuer}/.well-known/jwks.json`).catch(() => 'cut off');
    await sleep(50);
    assert.ok((await timed(() => short.close())).ms < 1000);
    assert.equal(await pending, 'cut off');
  });

  test('tokenError, tokenFaultCount and invalidClient401', async () => {
    const { refresh_token: token } = await signedIn();
    cognito.set({ tokenError: 'invalid_client', tokenFaultCount: 2 });
    assert.deepEqual(await refresh(token).then(({ status, text }) => [status, text]), [400, '{"error":"invalid_client"}']);
    cognito.set({ invalidClient401: true });
    assert.equal((await refresh(token)).status, 401);
    assert.equal((await refresh(token)).status, 200);
    assert.equal((await refresh(token, { headers: basic(undefined, 'wrong') })).status, 401);
  });

  test('jwksFault', async () => {
    const look = (jwksFault) => {
      cognito.set({ jwksFault });
      return go(`${cognito.issuer}/.well-known/jwks.json`);
    };
    assert.equal((await look('500')).status, 500);
    assert.match((await look('html')).text, /<html>/);
    assert.equal((await look('empty')).text, '{"keys":[]}');
    const { text } = await look('malformed');
    assert.throws(() => JSON.parse(text), SyntaxError);
    const huge = await look('huge');
    assert.ok(huge.text.length > 4e6 && JSON.parse(huge.text).keys.length >= 2);
    const { status, location } = await look('redirect');
    assert.deepEqual([status, location], [302, '/redirected/jwks.json']);
    assert.ok(JSON.parse((await go(cognito.origin + location)).text).keys.length >= 2);
    const byKid = JSON.parse((await look('wrongtype')).text).keys;
    assert.equal(byKid[cognito.kids.id].kid, cognito.kids.id);
    const nameless = JSON.parse((await look('nokid')).text).keys;
    assert.ok(nameless.length >= 2 && nameless.every((key) => !('kid' in key) && key.kty === 'RSA'));
  });

  test('redirectTo: the redirects lead to another host', async () => {
    cognito.set({ redirectTo: 'http://127.0.0.1:9/elsewhere', jwksFault: 'redirect', tokenFault: 'redirect307' });
    assert.equal((await go(`${cognito.issuer}/.well-known/jwks.json`)).location, 'http://127.0.0.1:9/elsewhere');
    assert.equal((await redeem(await freshCode())).headers.get('location'), 'http://127.0.0.1:9/elsewhere');
  });

  test('tokenAnswer: members are replaced, added and taken out', async () => {
    cognito.set({ tokenAnswer: { token_type: 7, more: true, refresh_token: null } });
    const { token_type: type, more, ...others } = await signedIn();
    assert.deepEqual([type, more, Object.keys(others)], [7, true, ['id_token', 'access_token', 'expires_in']]);
  });

  test('ignorePkce: any verifier will do, and none', async () => {
    cognito.set({ ignorePkce: true });
    for (const verifier of ['y'.repeat(43), 'short', '']) assert.equal((await redeem(await freshCode(), { code_verifier: verifier })).status, 200);
    cognito.reset();
    assert.equal((await redeem(await freshCode(), { code_verifier: 'y'.repeat(43) })).status, 400);
  });

  test('revokeFault 500', async () => {
    const { refresh_token: token } = await signedIn();
    cognito.set({ revokeFault: '500' });
    assert.equal((await post('/oauth2/revoke', { token })).status, 500);
    assert.equal((await refresh(token)).status, 200);
  });

  test('authorizeError and stateMangle', async () => {
    cognito.set({ authorizeError: { error: 'invalid_request', error_description: 'PreSignUp failed with error <b>' } });
    const { callbackUrl } = await signIn(authorizeUrl());
    assert.deepEqual(Object.fromEntries(new URL(callbackUrl).searchParams), { error: 'invalid_request', error_description: 'PreSignUp failed with error <b>', state: 'state-1' });
    cognito.reset();
    const stateBack = async (state) => new URL((await signIn(authorizeUrl({ state }))).callbackUrl).searchParams.get('state');
    assert.equal(await stateBack('a+b/c='), 'a+b/c=');
    cognito.set({ stateMangle: true });
    assert.equal(await stateBack('a+b/c='), 'a b%2Fc%3D');
    assert.equal(await stateBack('abc-_123'), 'abc-_123');
  });
});

// ---- Control, command line, sample API -------------------------------------------------------------------------------

describe('control', () => {
  test('every switch has a default and a line, and set refuses unknown names and wrong values whole', () => {
    for (const { name, says } of SWITCHES) assert.ok(says && name in cognito.switches, name);
    assert.throws(() => cognito.set({ rotation: true, rotatoin: true }), /unknown switch "rotatoin"; there are: rotation,/);
    assert.throws(() => cognito.set({ rotation: true, jwksFault: '501' }), /"jwksFault" takes "500" \|/);
    assert.throws(() => cognito.set({ accessTtl: 0 }), /number from 1/);
    assert.equal(cognito.switches.rotation, false);
    cognito.set({ idClaims: { sub: 'x' } });
    cognito.set({ idClaims: null });
    assert.deepEqual(cognito.switches.idClaims, {});
  });

  test('by HTTP: page, change, reset; not recorded; not for pages of other origins', async () => {
    const url = `${cognito.origin}/_control`;
    const send = (path, body, headers = {}) => go(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.match((await go(url, { headers: { accept: 'text/html' } })).text, /name="rotationGrace"/);
    assert.equal(JSON.parse((await send('', { rotation: true })).text).rotation, true);
    assert.equal((await send('', { nonsense: 1 })).status, 400);
    assert.equal((await send('', { rotation: false }, { origin: 'https://evil.example' })).status, 403);
    assert.equal(cognito.switches.rotation, true);
    await send('/users', { 'alice@example.com': { enabled: false } });
    assert.equal(cognito.users['alice@example.com'].enabled, false);
    const before = cognito.kids.id;
    await send('/rotate-keys', {});
    assert.notEqual(cognito.kids.id, before);
    assert.equal(JSON.parse((await send('/reset', {})).text).rotation, false);
    assert.deepEqual(cognito.requests, []);
  });

  test('another host name that leads to this machine is refused', async () => {
    const status = await new Promise((resolve, reject) => {
      get(`${cognito.origin}/_control`, { headers: { host: 'evil.example' } }, (answer) => resolve(answer.resume().statusCode)).on('error', reject);
    });
    assert.equal(status, 421);
  });

  test('requests are recorded with method, path, query, headers, form and time', async () => {
    await post('/oauth2/token?x=1', { grant_type: 'refresh_token', refresh_token: 'r' });
    const [{ method, path, query, headers, form, at }] = cognito.requests;
    assert.deepEqual({ method, path, query, form }, { method: 'POST', path: '/oauth2/token', query: { x: '1' }, form: { grant_type: 'refresh_token', refresh_token: 'r' } });
    assert.match(headers.authorization, /^Basic /);
    assert.ok(Math.abs(Date.now() - at) < 2000);
  });
});

describe('sample API and startAll', () => {
  test('the API takes a live access token of this client, and nothing else', async () => {
    const api = await startSampleApi({ issuer: cognito.issuer, clientId: cognito.clientId, allowedOrigins: ['http://localhost:8787'] });
    const hello = (token, headers = {}) => go(`${api.origin}/hello`, { headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers } });
    try {
      const { access_token: access, id_token: id } = await signedIn();
      const good = await hello(access, { origin: 'http://localhost:8787' });
      const { message, ...rest } = JSON.parse(good.text);
      assert.deepEqual(rest, { sub: decodeJwt(access).sub, groups: ['admin'], expiresAt: decodeJwt(access).exp });
      assert.equal(good.headers.get('access-control-allow-origin'), 'http://localhost:8787');
      assert.equal(good.headers.has('access-control-allow-credentials'), false);
      const bad = [undefined, 'nonsense', id, cognito.mint('access', { exp: 1 }), cognito.mint('access', { client_id: 'x' }), cognito.mint('access', { iss: 'x' }), cognito.mint('access', {}, { key: 'other' })];
      for (const token of bad) assert.deepEqual(await hello(token).then(({ status, text }) => [status, text]), [401, '{"error":"token_invalid"}']);

      const preflight = (origin) => go(`${api.origin}/hello`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' } });
      assert.equal((await preflight('http://localhost:8787')).headers.get('access-control-allow-headers'), 'authorization');
      assert.equal((await preflight('http://evil.example')).headers.has('access-control-allow-origin'), false);
      assert.equal(api.requests.at(-1).method, 'OPTIONS');
    } finally {
      await api.close();
    }
  });

  test('startAll registers each public URL and explains a taken port, leaving nothing behind', async () => {
    const running = await startAll({ port: 0, apiPort: 0, publicUrls: ['http://localhost:8787', 'http://localhost:8888/'] });
    try {
      const { callbackUrl } = await signIn(authorizeUrl({ redirect_uri: 'http://localhost:8888/signed-in.html' }, running.cognito));
      assert.match(callbackUrl, /^http:\/\/localhost:8888\/signed-in\.html\?code=/);
      const taken = Number(new URL(running.api.origin).port);
      await assert.rejects(startAll({ port: 0, apiPort: taken }), (error) => error instanceof PortTaken && error.message.includes(`Port ${taken} is taken`) && error.message.includes('--api-port'));
      await assert.rejects(startAll({ port: taken, apiPort: 0 }), /--port/);
    } finally {
      await running.close();
    }
  });
});
