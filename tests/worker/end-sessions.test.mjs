// `npm run end-sessions`: what the script writes is what the gateway reads.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { commandOf, endMarker } from '../../dev/end-sessions.mjs';
import { assertErrorJson } from '../support/answers.mjs';
import { FAULTY, ROOT, startGateway } from '../support/gateway.mjs';

const FIVE_DAYS = 432_000;
/** An isolate's memory of a record lasts so long. */
const FORGET_SECS = 31;
const NEW_KEYS = 'v2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=';

const gateway = await startGateway({ main: FAULTY });
after(() => gateway.close());
beforeEach(() => gateway.allWell());

const subOf = async (browser) => (await (await browser.script('/user-info')).json()).sub;
/** A user that is not there. */
const SOMEBODY = '5f0c1e9a-7b3d-4c2e-9a1b-0d2e4f6a8c01';
const BOB = { email: 'bob@example.com' };

/** Runs the script as a person does. */
async function endSessions(...args) {
  const script = path.join(ROOT, 'dev/end-sessions.mjs');
  const env = { ...process.env, PATH: `${path.join(ROOT, 'node_modules/.bin')}${path.delimiter}${process.env.PATH}` };
  return promisify(execFile)(process.execPath, [script, ...args], { cwd: ROOT, env }).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
  );
}

/** Does what wrangler would with these arguments, in the gateway's own KV. */
async function put([, , , key, value, ...options]) {
  const expirationTtl = Number(options[options.indexOf('--ttl') + 1]);
  await (await gateway.kv()).put(key, value, { expirationTtl });
}

describe('end-sessions', () => {
  test('ends the sessions of that user, in any isolate, and nobody else\'s', async () => {
    const [here, there, other] = [await gateway.signedIn(), await gateway.signedIn(), await gateway.signedIn(BOB)];
    const { issuer } = gateway.cognito;
    await put(await commandOf({ sub: await subOf(here), issuer, local: true }, () => gateway.now()));
    await gateway.passTime(FORGET_SECS);
    for (const browser of [here, there]) {
      await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
      await assertErrorJson(await browser.post('/auth/refresh'), 401, 'session_expired');
      assert.equal((await browser.navigate('/app/')).status, 302);
    }
    assert.equal((await other.script('/user-info')).status, 200);
    await gateway.newIsolate();
    await assertErrorJson(await here.script('/user-info'), 401, 'session_expired');
    assert.equal((await other.script('/user-info')).status, 200);

    const again = await gateway.signedIn();
    await gateway.passTime(FORGET_SECS);
    assert.equal((await again.script('/user-info')).status, 200, 'they may come back');
  });

  test('does nothing for the same person at another issuer', async () => {
    const browser = await gateway.signedIn(BOB);
    await put(await commandOf({ sub: await subOf(browser), issuer: `${gateway.cognito.issuer}x`, local: true }, () => gateway.now()));
    await gateway.passTime(FORGET_SECS);
    assert.equal((await browser.script('/user-info')).status, 200);
  });

  test('has the tag that is in the cookie and in the key of the record', async () => {
    const browser = await gateway.signedIn(BOB);
    const vars = { COGNITO_ISSUER: gateway.cognito.issuer, SESSION_TTL_SECS: 60 };
    const { key, ...marker } = await endMarker({ vars, sub: await subOf(browser), now: () => 7 });
    const [, tag] = key.split('/');
    assert.equal(Buffer.from(browser.session, 'base64url').subarray(0, 16).toString('base64url'), tag);
    assert.ok((await gateway.sessionKeys()).some((key) => key.startsWith(`session/${tag}/`)));
    assert.deepEqual(marker, { value: '7', ttlSecs: 90 });
  });

  test('everybody\'s: a new SESSION_KEYS in place of the old one', async () => {
    const [alice, bob] = [await gateway.signedIn(), await gateway.signedIn(BOB)];
    await gateway.configure({ SESSION_KEYS: NEW_KEYS });
    for (const browser of [alice, bob]) await assertErrorJson(await browser.script('/user-info'), 401, 'session_expired');
    assert.equal((await (await gateway.signedIn()).script('/user-info')).status, 200);
  });
});

describe('the script', () => {
  test('shows the command for production, with the issuer and life of wrangler.toml', async () => {
    const { code, output } = await endSessions('--sub', SOMEBODY, '--dry-run');
    assert.equal(code, 0);
    const [, pool] = /^\[env\.production\.vars\][^[]*COGNITO_USER_POOL_ID = "([^"]+)"/m.exec(readFileSync(path.join(ROOT, 'wrangler.toml'), 'utf8'));
    const { key } = await endMarker({ vars: { COGNITO_USER_POOL_ID: pool }, sub: SOMEBODY, now: () => 7 });
    const now = Math.floor(Date.now() / 1000);
    const [, at] = new RegExp(`^wrangler kv key put ${key} (\\d+) --binding SESSIONS --ttl ${FIVE_DAYS} --env production --remote\n$`).exec(output);
    assert.ok(now - Number(at) < 60 && Number(at) <= now);
  });

  test('writes into the local KV, and the marker expires', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'edgegate-end-'));
    try {
      const { code, output } = await endSessions('--sub', SOMEBODY, '--local', '--persist-to', folder);
      assert.equal(code, 0, output);
      const wrangler = path.join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
      const list = ['kv', 'key', 'list', '--binding', 'SESSIONS', '--local', '--persist-to', folder];
      const { stdout } = await promisify(execFile)(process.execPath, [wrangler, ...list], { cwd: ROOT, env: { ...process.env, WRANGLER_LOG: 'log' } });
      const { key } = await endMarker({ vars: { COGNITO_ISSUER: 'http://127.0.0.1:9400/us-east-1_Local0001' }, sub: SOMEBODY, now: () => 7 });
      const [marker, ...more] = JSON.parse(stdout.slice(stdout.indexOf('[')));
      assert.deepEqual(more, []);
      assert.equal(marker.name, key);
      const life = marker.expiration - Math.floor(Date.now() / 1000);
      assert.ok(life > FIVE_DAYS - 120 && life <= FIVE_DAYS, `${life} s`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  for (const [what, args, said] of [
    ['no user', [], /--sub wants/],
    ['an e-mail address', ['--sub', 'alice@example.com', '--dry-run'], /--sub wants .*UUID.*admin-get-user/],
    ['a user name', ['--sub', 'alice', '--dry-run'], /--sub wants/],
    ['a sub with something behind it', ['--sub', `${SOMEBODY} `, '--dry-run'], /--sub wants/],
    ['a sub that is cut short', ['--sub', SOMEBODY.slice(0, -1), '--dry-run'], /--sub wants/],
    ['a folder without --local', ['--sub', SOMEBODY, '--persist-to', 'x'], /--persist-to is for --local/],
    ['an option that is none', ['--all'], /end-sessions -- --help/],
  ]) {
    test(`refuses ${what} in one sentence`, async () => {
      const { code, output } = await endSessions(...args);
      assert.equal(code, 1);
      assert.match(output, said);
      assert.doesNotMatch(output, /at .*\.mjs/);
    });
  }

  test('takes a sub in capitals for the same', async () => {
    const keyOf = async (sub) => (await commandOf({ sub }, () => 7))[3];
    assert.equal(await keyOf(SOMEBODY.toUpperCase()), await keyOf(SOMEBODY));
  });

  test('says which variable is wrong', async () => {
    await assert.rejects(endMarker({ vars: {}, sub: SOMEBODY, now: () => 7 }), /COGNITO_USER_POOL_ID: wanted is/);
    await assert.rejects(endMarker({ vars: { COGNITO_ISSUER: 'nowhere' }, sub: SOMEBODY, now: () => 7 }), /COGNITO_ISSUER: wanted is/);
  });
});
