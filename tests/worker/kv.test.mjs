// Sessions in real KV: what a dump of the store holds, who can open it, marks, key rotation, and a store that fails.

import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage, setCookies } from '../support/answers.mjs';
import { eventually } from '../support/eventually.mjs';
import { FAULTY, startGateway } from '../support/gateway.mjs';
import { secretsOf, spellings } from '../support/secrets.mjs';

const HOUR = 3600;
const FIVE_DAYS = 432_000;
const OLD = 'v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
const NEW = 'v2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=';

const gateway = await startGateway({ main: FAULTY });
after(() => gateway.close());

beforeEach(async () => {
  await gateway.allWell();
  await gateway.emptyKv();
});

/** An isolate's memory of a record lasts so long. */
const FORGET_SECS = 31;
const put = async (name, value) => (await gateway.kv()).put(name, value);

const onlyRecord = async () => {
  const records = (await gateway.dumpKv()).filter(({ name }) => name.startsWith('session/'));
  assert.equal(records.length, 1);
  return records[0];
};
/** The name of the ring key, which a sealed value has in clear. */
const ringKeyOf = (value) => {
  const bytes = Buffer.from(value, 'base64url');
  return bytes.subarray(2, 2 + bytes[1]).toString();
};

describe('a dump of the store', () => {
  test('holds no token, no person, no cookie and no secret, in clear or in base64', async () => {
    const browser = await gateway.signedIn();
    await browser.post('/auth/refresh', { force: true });
    await (await gateway.signedIn({ email: 'bob@example.com' })).post('/auth/logout');
    const text = JSON.stringify(await gateway.dumpKv());
    const decoded = (await gateway.dumpKv()).map(({ value }) => Buffer.from(value, 'base64url').toString('latin1')).join('\n');
    const secrets = secretsOf(gateway, [browser]);
    const known = ['access token', 'ID token', 'refresh token', 'session cookie', 'e-mail', 'verifier', 'code'];
    for (const name of known) assert.ok(secrets.has(name), name);
    for (const [name, values] of secrets) {
      for (const spelling of values.flatMap(spellings)) {
        assert.equal(text.includes(spelling), false, `${name} in the dump`);
        assert.equal(decoded.includes(spelling), false, `${name} in the decoded dump`);
      }
    }
  });

  test('has a key of a user tag and a hash, one tag a user, and nothing of the cookie but the tag', async () => {
    const first = await gateway.signedIn();
    const second = await gateway.signedIn();
    const other = await gateway.signedIn({ email: 'bob@example.com' });
    const keys = await gateway.sessionKeys();
    assert.equal(keys.length, 3);
    for (const key of keys) assert.match(key, /^session\/[\w-]{22}\/[\w-]{43}$/);
    assert.equal(new Set(keys.map((key) => key.split('/')[1])).size, 2);
    assert.equal(new Set(keys.map((key) => key.split('/')[2])).size, 3);
    for (const { session } of [first, second, other]) {
      const secret = Buffer.from(session, 'base64url').subarray(16);
      assert.equal(secret.length, 32);
      const spelled = [secret.toString('base64url'), secret.toString('hex'), session.slice(22)];
      for (const spelling of spelled) assert.equal(keys.join().includes(spelling), false);
    }
    const tag = Buffer.from(first.session, 'base64url').subarray(0, 16).toString('base64url');
    assert.equal(keys.filter((key) => key.startsWith(`session/${tag}/`)).length, 2);
  });

  test('has values of one line of base64url, sealed anew at each save', async () => {
    const browser = await gateway.signedIn();
    const { value: first } = await onlyRecord();
    assert.match(first, /^[\w-]+$/);
    assert.equal(ringKeyOf(first), 'v1');
    await browser.post('/auth/refresh', { force: true });
    const { value: second } = await onlyRecord();
    assert.notEqual(second, first);
    assert.notEqual(second.slice(0, 40), first.slice(0, 40), 'another nonce');
  });

  test('expires with the session: five days from the login, and renewal does not put it off', async () => {
    const before = Math.floor(Date.now() / 1000);
    const browser = await gateway.signedIn();
    const { expiration } = await onlyRecord();
    assert.ok(expiration >= before + FIVE_DAYS && expiration <= Math.ceil(Date.now() / 1000) + FIVE_DAYS, `${expiration - before} s`);
    assert.equal((await (await browser.script('/auth/status')).json()).expiresAt, expiration);
    await gateway.passTime(HOUR + 1);
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.equal((await onlyRecord()).expiration, expiration);
    await browser.post('/auth/logout');
    const [mark] = await gateway.dumpKv();
    assert.match(mark.name, /^ended\//);
    assert.equal(mark.expiration, expiration);
  });

  test('is read in one operation by a cold isolate, and not at all by one that remembers', async () => {
    const browser = await gateway.signedIn();
    await gateway.newIsolate();
    await gateway.setWorld({});
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.equal((await browser.navigate('/app/')).status, 200);
    assert.deepEqual(await gateway.setWorld({}), ['get']);
    await gateway.passTime(FORGET_SECS);
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.deepEqual(await gateway.setWorld({}), ['get'], 'memory lasts thirty seconds');
  });
});

describe('a record', () => {
  afterEach(() => gateway.configure({ SESSION_KEYS: OLD, COGNITO_CLIENT_ID: gateway.cognito.clientId, COGNITO_ISSUER: gateway.cognito.issuer }));

  const alarm = async () => (await gateway.logs()).filter(({ message }) => message === 'session_record_does_not_open');

  test('opens after its ring key has been rotated, is sealed with the new key when renewed, and then outlives the old key', async () => {
    const browser = await gateway.signedIn();
    await gateway.configure({ SESSION_KEYS: `${OLD},${NEW}` }); // first deploy: the new key is known everywhere
    assert.equal((await browser.script('/user-info')).status, 200);
    await gateway.configure({ SESSION_KEYS: `${NEW},${OLD}` }); // second: it seals
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.equal(ringKeyOf((await onlyRecord()).value), 'v1');
    await browser.post('/auth/refresh', { force: true });
    assert.equal(ringKeyOf((await onlyRecord()).value), 'v2');
    await gateway.configure({ SESSION_KEYS: NEW });
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('of a ring key that is gone is a session that has expired, without an alarm', async () => {
    const browser = await gateway.signedIn();
    await gateway.configure({ SESSION_KEYS: NEW });
    await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
    assert.equal((await browser.navigate('/app/')).status, 302);
    assert.deepEqual(await alarm(), []);
  });

  test('under a known name and another key does not open, with an alarm', async () => {
    const browser = await gateway.signedIn();
    await gateway.configure({ SESSION_KEYS: NEW.replace('v2', 'v1') });
    await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
    assert.equal((await alarm()).length, 1);
  });

  for (const [what, vars] of Object.entries({
    'another client': { COGNITO_CLIENT_ID: 'another' }, 'another pool': { COGNITO_ISSUER: 'http://127.0.0.1:9/us-east-1_Other' },
  })) {
    test(`of ${what} is a session that has expired`, async () => {
      const browser = await gateway.signedIn();
      await gateway.configure(vars);
      await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
    });
  }

  test('that was moved to the place of another does not open, with an alarm', async () => {
    const alice = await gateway.signedIn();
    const [ofAlice] = await gateway.sessionKeys();
    await gateway.signedIn({ email: 'bob@example.com' });
    const ofBob = (await gateway.sessionKeys()).find((key) => key !== ofAlice);
    await put(ofAlice, (await gateway.dumpKv()).find(({ name }) => name === ofBob).value);
    await gateway.passTime(FORGET_SECS);
    await assertErrorJson(await alice.script('/user-info'), 401, 'session_expired');
    assert.equal((await alarm())[0].level, 'error');
  });

  test('with one changed character does not open, wherever it is', async () => {
    const browser = await gateway.signedIn();
    const { name, value } = await onlyRecord();
    for (const at of [0, 3, 10, 60, value.length >> 1, value.length - 2]) {
      await put(name, value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1));
      await gateway.passTime(FORGET_SECS);
      await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
    }
    await put(name, value);
    await gateway.passTime(FORGET_SECS);
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('that is empty, cut or no text of ours is a session that has expired', async () => {
    const browser = await gateway.signedIn();
    const { name, value } = await onlyRecord();
    for (const nonsense of ['', '{}', value.slice(0, 50), `${value}=`, 'null', 'x'.repeat(100_000)]) {
      await put(name, nonsense);
      await gateway.passTime(FORGET_SECS);
      await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
    }
  });
});

describe('a mark', () => {
  const userTag = (browser) => Buffer.from(browser.session, 'base64url').subarray(0, 16).toString('base64url');

  test('of a session ends it although its record is there', async () => {
    const browser = await gateway.signedIn();
    const { name } = await onlyRecord();
    await put(name.replace(/^session/, 'ended'), '1');
    await gateway.passTime(FORGET_SECS);
    await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
  });

  test('of a user ends the sessions created up to its time, and no later one, and nobody else\'s', async () => {
    const [one, two, other] = [await gateway.signedIn(), await gateway.signedIn(), await gateway.signedIn({ email: 'bob@example.com' })];
    await put(`ended/${userTag(one)}`, String(gateway.now()));
    await gateway.passTime(FORGET_SECS);
    await assertErrorJson(await one.script('/user-info'), 401, 'session_expired');
    await assertErrorJson(await two.script('/user-info'), 401, 'session_expired');
    assert.equal((await other.script('/user-info')).status, 200);
    const later = await gateway.signedIn();
    await gateway.passTime(FORGET_SECS);
    assert.equal((await later.script('/user-info')).status, 200);
  });

  /** `wrangler kv key put --path` writes a file as it is, its last line break included. */
  test('that was written from a file, with a line break at its end, ends the session like any other', async () => {
    const markOf = { session: (name) => name.replace(/^session/, 'ended'), user: (name) => `ended/${name.split('/')[1]}` };
    for (const kind of ['session', 'user']) {
      await gateway.emptyKv();
      const browser = await gateway.signedIn();
      const { name } = await onlyRecord();
      await put(markOf[kind](name), `${gateway.now()}\n`);
      await gateway.passTime(FORGET_SECS);
      await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
      assert.equal((await browser.navigate('/app/')).status, 302, kind);
    }
  });

  test('of a user that cannot be read ends all of them', async () => {
    const browser = await gateway.signedIn();
    await put(`ended/${userTag(browser)}`, 'yesterday');
    await gateway.passTime(FORGET_SECS);
    await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
  });

  test('set while a refresh was under way takes the record away again', async () => {
    const browser = await gateway.signedIn();
    const { name } = await onlyRecord();
    await gateway.passTime(HOUR + 1);
    gateway.cognito.set({ tokenFault: 'slow', slowMs: 1000 });
    const refreshing = browser.post('/auth/refresh');
    await eventually(() => gateway.refreshes().length === 1, 'a refresh under way');
    await put(name.replace(/^session/, 'ended'), '1'); // a logout at another location
    await (await gateway.kv()).delete(name);
    await assertErrorJson(await refreshing, 401, 'session_expired');
    assert.deepEqual(await gateway.sessionKeys(), []);
  });
});

describe('a store that cannot be read', () => {
  const UNREADABLE = { kv: { get: 'KV GET failed: 500 Internal Server Error', getWithMetadata: 'KV GET failed: 500 Internal Server Error' } };

  test('is 503 store_unavailable: never "signed out", never a redirect to the login', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(FORGET_SECS);
    await gateway.setWorld(UNREADABLE);
    for (const path of ['/app/', '/admin/']) await assertErrorPage(await browser.navigate(path), 503, 'store_unavailable');
    for (const path of ['/user-info', '/auth/status', '/app/', '/assets-not-public.js']) {
      const response = await browser.script(path);
      assert.deepEqual(response.headers.getSetCookie(), []);
      await assertErrorJson(response, 503, 'store_unavailable');
    }
    await assertErrorJson(await browser.post('/auth/refresh'), 503, 'store_unavailable');
    await assertErrorJson(await gateway.fetch('/readyz'), 503, 'store_unavailable');

    assert.equal((await browser.navigate('/')).status, 200, 'public pages need no store');
    assert.equal((await gateway.browser().navigate('/app/')).status, 302, 'nor does somebody without a cookie');
    assert.equal((await gateway.fetch('/healthz')).status, 200);
    await gateway.setWorld({ kv: undefined });
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('does not keep anybody from logging in', async () => {
    await gateway.setWorld(UNREADABLE);
    const browser = gateway.browser();
    assert.equal((await browser.signIn('/app/')).status, 303);
    assert.equal((await browser.navigate('/app/')).status, 200);
  });

  test('keeps a session that is remembered for its thirty seconds', async () => {
    const browser = await gateway.signedIn();
    await gateway.setWorld(UNREADABLE);
    assert.equal((await browser.script('/user-info')).status, 200);
    await gateway.passTime(FORGET_SECS);
    await assertErrorJson(await browser.script('/user-info'), 503, 'store_unavailable');
  });
});

describe('a store that does not answer', () => {
  /** The gateway gives up after eight seconds; a client of its own would have gone by then. */
  const timed = async (work) => {
    const since = Date.now();
    return { response: await work(), secs: (Date.now() - since) / 1000 };
  };

  test('is given up as one that cannot be read', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(FORGET_SECS);
    await gateway.setWorld({ kvHangs: ['get', 'getWithMetadata'] });
    const { response, secs } = await timed(() => browser.script('/user-info'));
    await assertErrorJson(response, 503, 'store_unavailable');
    assert.ok(secs > 6 && secs < 15, `${secs} s`);
  });

  test('fails a login, without a cookie', async () => {
    await gateway.setWorld({ kvHangs: ['put'] });
    const browser = gateway.browser();
    const { response, secs } = await timed(() => browser.signIn());
    await assertErrorPage(response, 503, 'store_unavailable');
    assert.equal(browser.session, undefined);
    assert.ok(secs > 6 && secs < 15, `${secs} s`);
  });
});

describe('a store that cannot be written', () => {
  const revoked = (token) => eventually(() => gateway.asked('/oauth2/revoke').some(({ form }) => form.token === token), 'its revocation');

  for (const message of ['KV PUT failed: 500 Internal Server Error', 'KV PUT failed: 429 Too Many Requests']) {
    test(`fails a login with 503 and no cookie (${message})`, async () => {
      await gateway.setWorld({ kv: { put: message } });
      const browser = gateway.browser();
      const response = await browser.signIn();
      await assertErrorPage(response, 503, 'store_unavailable');
      assert.equal(browser.session, undefined);
      assert.deepEqual(await gateway.dumpKv(), []);
    });
  }

  test('does not fail a renewal: the new token is served, and written again after KV\'s second', async () => {
    const browser = await gateway.signedIn();
    const { value: old } = await onlyRecord();
    await gateway.passTime(HOUR + 1);
    await gateway.setWorld({ kv: { put: 'KV PUT failed: 429 Too Many Requests' }, kvTimes: 1 });
    const response = await browser.post('/auth/refresh');
    assert.equal(response.status, 200);
    const { access_token: token } = await response.json();
    await eventually(async () => (await onlyRecord()).value !== old, 'a second write');
    await gateway.setWorld({ kv: undefined, kvTimes: undefined });
    await gateway.newIsolate();
    assert.equal((await (await browser.post('/auth/refresh')).json()).access_token, token, 'another isolate finds it');
    assert.equal(gateway.refreshes().length, 1);
  });

  test('makes a renewal wait for the second write when the refresh token was rotated', async () => {
    gateway.cognito.set({ rotation: true, rotationGrace: 0 });
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    await gateway.setWorld({ kv: { put: 'KV PUT failed: 429 Too Many Requests' }, kvTimes: 1 });
    const began = Date.now();
    assert.equal((await browser.post('/auth/refresh')).status, 200);
    assert.ok(Date.now() - began >= 1000, 'KV takes one write a second');
    await gateway.newIsolate();
    await gateway.passTime(HOUR + 1);
    assert.equal((await browser.post('/auth/refresh')).status, 200, 'the new refresh token was saved');
  });

  test('does not take a renewed token back while the isolate remembers it, although it is never written', async () => {
    const browser = await gateway.signedIn();
    await gateway.passTime(HOUR + 1);
    await gateway.setWorld({ kv: { put: 'KV PUT failed: 500' } });
    assert.equal((await browser.post('/auth/refresh')).status, 200);
    assert.equal((await browser.script('/user-info')).status, 200);
    assert.equal(gateway.refreshes().length, 1);
  });

  test('makes a logout 503 with the way to Cognito, never success, and the refresh token is revoked all the same', async () => {
    const browser = await gateway.signedIn();
    const refreshToken = gateway.givenTokens().at(-1).refresh_token;
    await gateway.setWorld({ kv: { put: 'KV failed: 500', delete: 'KV failed: 500' } });
    const response = await browser.post('/auth/logout');
    const cleared = { value: '', attributes: ['HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Lax'] };
    assert.deepEqual([...setCookies(response)], [['edgegate-session', cleared]]);
    const body = await assertErrorJson(response, 503, 'store_unavailable', { members: ['logoutUrl'] });
    assert.ok(body.logoutUrl.startsWith(`${gateway.cognito.origin}/logout?`));
    await revoked(refreshToken);
  });

  test('and cannot be read either does not keep a logout from revoking what the isolate remembers', async () => {
    const browser = await gateway.signedIn();
    const refreshToken = gateway.givenTokens().at(-1).refresh_token;
    const failure = 'KV failed: 500';
    await gateway.setWorld({ kv: { get: failure, getWithMetadata: failure, put: failure, delete: failure } });
    await assertErrorJson(await browser.post('/auth/logout'), 503, 'store_unavailable', { members: ['logoutUrl'] });
    await revoked(refreshToken);
  });

  test('by a logout that cannot delete is no failure: the mark alone ends the session everywhere', async () => {
    const browser = await gateway.signedIn();
    const stolen = browser.copy();
    const before = await gateway.sessionKeys();
    await gateway.setWorld({ kv: { delete: 'KV failed: 500' } });
    assert.equal((await browser.post('/auth/logout')).status, 200);
    // A second write that an earlier test left behind may have come in between.
    const after = await gateway.sessionKeys();
    assert.ok(before.length > 0 && before.every((key) => after.includes(key)), 'the record is still there');
    await gateway.newIsolate();
    await assertErrorJson(await stolen.script('/user-info'), 401, 'session_expired');
  });

  test('gives a form that signs out a page with the way to Cognito', async () => {
    const browser = await gateway.signedIn();
    await gateway.setWorld({ kv: { put: 'KV failed: 500' } });
    const response = await browser.postForm('/auth/logout');
    assert.equal(setCookies(response).get('edgegate-session').value, '');
    const page = await assertErrorPage(response, 503, 'store_unavailable');
    assert.match(page, new RegExp(`href="${gateway.cognito.origin}/logout\\?client_id=`));
  });

  test('does not bring a session back that was ended here', async () => {
    const browser = await gateway.signedIn();
    const stolen = browser.copy();
    await gateway.setWorld({ kv: { put: 'KV failed: 500', delete: 'KV failed: 500' } });
    assert.equal((await browser.post('/auth/logout')).status, 503);
    await gateway.setWorld({ kv: undefined });
    await assertErrorJson(await stolen.script('/user-info'), 401, 'session_expired');
  });
});
