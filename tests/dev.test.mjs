// The scripts of dev/: what they say when something is in the way, the secrets of local development, the size report
// and the stamp that spares a build.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { OUTPUTS, inputHash, isUpToDate, writeStamp } from '../dev/build-stamp.mjs';
import { lockedVersion } from '../dev/cargo-tools.mjs';
import { ensureDevVars } from '../dev/dev-vars.mjs';
import { compactJson, gatewayLog } from '../dev/gateway-log.mjs';
import { tryLock, withLock } from '../dev/lock.mjs';
import { packagesProblem } from '../dev/npm-packages.mjs';
import { ROOT } from '../dev/plain.mjs';
import { run, start, stopAll } from '../dev/processes.mjs';
import { measure, sizeTable } from '../dev/size-report.mjs';
import { addresses, parseOptions, varOverrides } from '../dev/start-options.mjs';
import { withStrictMode } from '../dev/strict-config.mjs';
import { isPortLost, onFreePorts, PortLost } from './support/ports.mjs';

/** A folder that is gone after the test. */
function folder(t) {
  const made = mkdtempSync(path.join(os.tmpdir(), 'edgegate-dev-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A port that something listens on until the test ends. */
async function takenPort(t) {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  return server.address().port;
}

/** Runs a script as a user would: its exit code and all it printed. */
function script(file, args = [], env = process.env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path.join('dev', file), ...args.map(String)], { cwd: ROOT, env });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data));
    child.on('close', (code) => resolve({ code, text }));
  });
}

/** Runs `npm start` with free ports, and with others where another process took one of them first. */
function startScript(count, argsOf, env) {
  return onFreePorts(count, async (ports) => {
    const args = argsOf(ports);
    const result = await script('start.mjs', args, env);
    const [, lost] = /^Port (\d+),.* is taken by another program/m.exec(result.text) ?? [];
    if (ports.includes(Number(lost))) throw new PortLost(result.text);
    return result;
  });
}

/** One plain sentence: no stack trace, nothing else. */
function assertSentence({ code, text }, expected) {
  assert.equal(code, 1, text);
  assert.match(text.trim(), expected);
  assert.equal(text.trim().split('\n').length, 1, text);
}

for (const [index, option, what] of [
  [0, '--port', 'the gateway'],
  [1, '--cognito-port', 'the local Cognito'],
  [2, '--api-port', 'the sample API'],
]) {
  test(`start names a taken port for ${what}, and one to use instead`, async (t) => {
    const taken = await takenPort(t);
    const result = await startScript(2, (free) => {
      const ports = free.toSpliced(index, 0, taken);
      return ['--port', ports[0], '--cognito-port', ports[1], '--api-port', ports[2]];
    });
    assert.ok(isPortLost(result.text), 'a test that starts the product would try others');
    assertSentence(
      result,
      new RegExp(`^Port ${taken}, which ${what} wants, is taken by another program: .*\`npm start -- ${option} \\d+\``),
    );
  });
}

test('start names a port that two parts want', async () => {
  assertSentence(
    await startScript(2, ([one, two]) => ['--port', one, '--cognito-port', two, '--api-port', one]),
    /is wanted by both the gateway and the sample API/,
  );
});

test('start without Rust says where to get it', async (t) => {
  const home = folder(t);
  const bin = path.join(home, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, path.join(bin, 'node'));
  const argsOf = (ports) => ['--port', ports[0], '--cognito-port', ports[1], '--api-port', ports[2]];
  const { CARGO_HOME, ...rest } = process.env;
  assertSentence(
    await startScript(3, argsOf, { ...rest, HOME: home, PATH: bin }),
    /^Rust is missing: install it as https:\/\/rustup\.rs says/,
  );
});

test('a program that lost its port is started again on others, and four times at most', async () => {
  const used = [];
  const lose = (times, error) => onFreePorts(2, async (ports) => {
    used.push(...ports);
    if (used.length <= 2 * times) throw error;
    return ports;
  });
  assert.deepEqual(await lose(3, new PortLost()), used.slice(-2));
  assert.equal(used.length, 8);
  used.length = 0;
  await assert.rejects(lose(9, new PortLost()), PortLost);
  assert.equal(used.length, 8);
  used.length = 0;
  await assert.rejects(lose(1, new Error('of its own')), /of its own/);
  assert.equal(used.length, 2, 'what has another cause is not hidden');
});

test('a lost port is known by what programs say of it', async (t) => {
  const taken = await takenPort(t);
  const error = await new Promise((resolve) => net.createServer().once('error', resolve).listen(taken, '127.0.0.1'));
  assert.ok(isPortLost(String(error)));
  assert.ok(isPortLost('kj/async-io-unix.c++: failed: ::bind(): Address already in use; toString() = 127.0.0.1:8787'));
  assert.ok(!isPortLost('The gateway ended with exit code 1, so everything was stopped.'));
});

for (const [name, args, expected] of [
  ['an unknown option', ['--prot', '1'], /^Unknown option '--prot': `npm start -- --help`/],
  ['a word that is no option', ['8788'], /^Unexpected argument '8788'/],
  ['an option without its value', ['--port'], /argument missing: `npm start -- --help`/],
  ['a port that is no number', ['--port', 'http'], /^--port wants a port from 1 to 65535 and got "http"/],
  ['a port out of range', ['--port', '65536'], /^--port wants a port from 1 to 65535 and got "65536"/],
  ['a life that is no number', ['--access-ttl', '1h'], /^--access-ttl wants a whole number of seconds and got "1h"/],
  ['a variable without a value', ['--var', 'SCOPES'], /^--var wants NAME=VALUE.* got "SCOPES"/],
]) {
  test(`start refuses ${name} in one sentence`, async () => {
    assertSentence(await script('start.mjs', args), expected);
  });
}

test('an option that npm kept for itself is explained', () => {
  assert.throws(() => parseOptions([], { npm_config_port: '8788' }), /put `--` before it, as in `npm start -- --port/);
});

test('start --help lists every option', async () => {
  const { code, text } = await script('start.mjs', ['--help']);
  assert.equal(code, 0);
  const names = ['port', 'cognito-port', 'api-port', 'https', 'redirect-page', 'strict', 'access-ttl', 'var', 'persist-to', 'help'];
  for (const name of names) assert.match(text, new RegExp(`--${name}\\b`));
});

test('test refuses an unknown step and names the steps', async () => {
  assertSentence(
    await script('test.mjs', ['--only', 'fmt,lint']),
    /^There is no step "lint": the steps are fmt, clippy, .*browser\.$/,
  );
});

test('test --list names the steps in order', async () => {
  const { code, text } = await script('test.mjs', ['--list']);
  assert.equal(code, 0);
  const names = text
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0]);
  assert.deepEqual(names, ['fmt', 'clippy', 'clippy-wasm', 'deny', 'cargo-test', 'doc', 'build', 'self-test', 'dry-run', 'node', 'worker', 'browser']);
});

test('the usual ports override no variable', () => {
  assert.deepEqual(varOverrides(parseOptions([], {})), {});
});

test('other ports override the variables that name them, and --var has the last word', () => {
  const options = parseOptions(
    [
      '--https',
      '--port',
      '8900',
      '--cognito-port',
      '9500',
      '--api-port',
      '9501',
      '--redirect-page',
      '--var',
      'API_URL=https://a.example/?x=y',
    ],
    {},
  );
  assert.equal(addresses(options).gateway, 'https://localhost:8900');
  assert.deepEqual(varOverrides(options), {
    PUBLIC_URL: 'https://localhost:8900',
    COGNITO_DOMAIN: 'http://127.0.0.1:9500',
    COGNITO_ISSUER: 'http://127.0.0.1:9500/us-east-1_Local0001',
    API_URL: 'https://a.example/?x=y',
    REDIRECT_URI: 'https://localhost:8900/signed-in.html',
  });
});

test('the usual addresses are those of wrangler.toml', () => {
  const here = addresses(parseOptions([], {}));
  const toml = readFileSync(path.join(ROOT, 'wrangler.toml'), 'utf8');
  const wanted = { PUBLIC_URL: here.gateway, COGNITO_DOMAIN: here.cognito, COGNITO_ISSUER: here.issuer, API_URL: here.api };
  for (const [name, value] of Object.entries(wanted)) assert.ok(toml.includes(`${name} = "${value}"`), name);
});

test('strict mode is bound in every environment of wrangler.toml once its marked lines count, and in none before', () => {
  const toml = readFileSync(path.join(ROOT, 'wrangler.toml'), 'utf8');
  const bindings = (text) => text.split('\n').filter((line) => /^\[\[.*(durable_objects\.bindings|migrations)\]\]$/.test(line));
  assert.deepEqual(bindings(toml), []);
  assert.deepEqual(bindings(withStrictMode(toml)), [
    '[[durable_objects.bindings]]', '[[migrations]]', '[[env.production.durable_objects.bindings]]', '[[env.production.migrations]]',
  ]);
  assert.doesNotMatch(withStrictMode(toml), /^#~/m);
  assert.throws(() => withStrictMode(withStrictMode(toml)), /strict mode may be on already/);
});

/** A folder like the project's, as far as `ensureDevVars` looks. */
function secretsFolder(t) {
  const root = folder(t);
  cpSync(path.join(ROOT, '.dev.vars.example'), path.join(root, '.dev.vars.example'));
  return { root, file: path.join(root, '.dev.vars') };
}

test('.dev.vars is made with a random 32-byte key, the local client secret, and for its owner only', (t) => {
  const { root, file } = secretsFolder(t);
  assert.match(ensureDevVars(root), /^Made \.dev\.vars/);
  const text = readFileSync(file, 'utf8');
  const key = text.match(/^SESSION_KEYS=v1:(\S+)$/m)[1];
  assert.equal(Buffer.from(key, 'base64').length, 32);
  assert.equal(Buffer.from(key, 'base64').toString('base64'), key);
  assert.match(text, /^COGNITO_CLIENT_SECRET=localdevsecret\w+$/m);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  rmSync(file);
  ensureDevVars(root);
  assert.ok(!readFileSync(file, 'utf8').includes(key), 'a second one has another key');
});

test('.dev.vars is never overwritten, and what it lacks is named', (t) => {
  const { root, file } = secretsFolder(t);
  for (const [text, expected] of [
    ['SESSION_KEYS=v1:abc\nCOGNITO_CLIENT_SECRET="x"\n', undefined],
    ['export SESSION_KEYS = v1:abc\n', /^\.dev\.vars lacks COGNITO_CLIENT_SECRET:/],
    ['COGNITO_CLIENT_SECRET=x\n#SESSION_KEYS=v1:abc\n', /^\.dev\.vars lacks SESSION_KEYS:/],
    ['SESSION_KEYS=\nCOGNITO_CLIENT_SECRET=""\n', /^\.dev\.vars lacks SESSION_KEYS and COGNITO_CLIENT_SECRET:/],
  ]) {
    writeFileSync(file, text);
    const said = ensureDevVars(root);
    if (expected) assert.match(said, expected);
    else assert.equal(said, undefined);
    assert.equal(readFileSync(file, 'utf8'), text);
  }
});

test('the size report adds up', (t) => {
  const root = folder(t);
  const [js, wasm] = [Buffer.alloc(1_500, 'a'), Buffer.alloc(2_250, 'b')];
  writeFileSync(path.join(root, 'index.js'), js);
  writeFileSync(path.join(root, 'index_bg.wasm'), wasm);
  const rows = measure(root, OUTPUTS);
  assert.deepEqual(
    rows.map(({ raw }) => raw),
    [1_500, 2_250, 3_750],
  );
  assert.deepEqual(
    rows.map(({ gzip }) => gzip),
    [gzipSync(js).length, gzipSync(wasm).length, gzipSync(js).length + gzipSync(wasm).length],
  );
  const lines = sizeTable([{ name: 'total', raw: 1_234_567, gzip: 98_765 }]).split('\n');
  assert.deepEqual(
    lines.map((line) => line.trim().split(/\s{2,}/)),
    [
      ['raw', 'gzip'],
      ['total', '1234.6 kB', '98.8 kB'],
    ],
  );
});

/** A small project with a finished build. */
function builtProject(t) {
  const root = folder(t);
  for (const name of ['src/gate', 'build', 'dev']) mkdirSync(path.join(root, name), { recursive: true });
  writeFileSync(path.join(root, 'src/lib.rs'), 'mod gate;');
  writeFileSync(path.join(root, 'src/gate/mod.rs'), '');
  writeFileSync(path.join(root, 'Cargo.toml'), '[package]');
  writeFileSync(path.join(root, 'Cargo.lock'), 'version = 4');
  writeFileSync(path.join(root, 'package.json'), JSON.stringify({ devDependencies: { esbuild: '1.0.0' } }));
  for (const name of OUTPUTS) writeFileSync(path.join(root, 'build', name), name);
  writeStamp(inputHash(root), path.join(root, 'build'));
  return root;
}

test('a build is up to date until an input or an output changes', (t) => {
  const root = builtProject(t);
  assert.equal(isUpToDate(path.join(root, 'build'), root), true);
  for (const [file, text] of [
    ['src/gate/mod.rs', '// new'],
    ['src/gate/more.rs', ''],
    ['Cargo.toml', '[package] # new'],
    ['Cargo.lock', 'version = 5'],
    ['dev/build.mjs', '// new'],
    ['package.json', JSON.stringify({ devDependencies: { esbuild: '1.0.1' } })],
    ['build/index_bg.wasm', 'other'],
  ]) {
    writeFileSync(path.join(root, file), text);
    assert.equal(isUpToDate(path.join(root, 'build'), root), false, file);
    writeStamp(inputHash(root), path.join(root, 'build'));
    assert.equal(isUpToDate(path.join(root, 'build'), root), true, file);
  }
});

test('a build without its output or its stamp is not up to date', (t) => {
  const root = builtProject(t);
  rmSync(path.join(root, 'build/index.js'));
  assert.equal(isUpToDate(path.join(root, 'build'), root), false);
  writeFileSync(path.join(root, 'build/index.js'), 'index.js');
  assert.equal(isUpToDate(path.join(root, 'build'), root), true);
  writeFileSync(path.join(root, 'build/.stamp.json'), '{');
  assert.equal(isUpToDate(path.join(root, 'build'), root), false);
});

test('a source that is edited during a build makes the next one build again', (t) => {
  const root = builtProject(t);
  const before = inputHash(root);
  writeFileSync(path.join(root, 'src/lib.rs'), '// edited');
  writeStamp(before, path.join(root, 'build'));
  assert.equal(isUpToDate(path.join(root, 'build'), root), false);
});

test('the npm packages are installed again when half there or not those of the lock file', (t) => {
  const root = folder(t);
  const entry = { version: '1.0.0', integrity: 'sha512-a' };
  const optional = { version: '1.0.0', optional: true };
  const write = (file, packages) => writeFileSync(path.join(root, file), JSON.stringify({ packages }));
  const wanted = { '': { devDependencies: { tool: '1.0.0' } }, 'node_modules/tool': entry, 'node_modules/tool-mac': optional };
  write('package-lock.json', wanted);
  assert.equal(packagesProblem(root), 'there are none yet');
  mkdirSync(path.join(root, 'node_modules/tool'), { recursive: true });
  writeFileSync(path.join(root, 'node_modules/tool/package.json'), '{}');
  assert.equal(packagesProblem(root), 'the last installation did not finish');
  write('node_modules/.package-lock.json', { 'node_modules/tool': entry });
  assert.equal(packagesProblem(root), undefined);
  write('package-lock.json', { ...wanted, 'node_modules/tool': { version: '1.0.1', integrity: 'sha512-b' } });
  assert.equal(packagesProblem(root), 'package-lock.json has changed');
  write('package-lock.json', { ...wanted, 'node_modules/other': entry });
  assert.equal(packagesProblem(root), 'package-lock.json has changed');
  write('package-lock.json', wanted);
  rmSync(path.join(root, 'node_modules/tool'), { recursive: true });
  assert.equal(packagesProblem(root), 'tool has been removed');
});

test('the versions of the cargo tools are those of Cargo.lock', () => {
  const text = '[[package]]\nname = "worker-macros"\nversion = "0.1.0"\n\n[[package]]\nname = "worker"\nversion = "0.8.7"\n';
  assert.equal(lockedVersion('worker', text), '0.8.7');
  assert.throws(() => lockedVersion('wasm-bindgen', text), /Cargo\.lock has no wasm-bindgen/);
});

test('a lock is held by one, waited for by the next, and free after its holder died', async (t) => {
  const lock = path.join(folder(t), 'lock');
  const first = await tryLock(lock);
  assert.equal((await tryLock(lock)).owner, process.pid);
  const order = [];
  const second = withLock(
    lock,
    () => order.push('waits'),
    async () => order.push('works'),
  );
  while (order.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  order.push('released');
  first.release();
  await second;
  assert.deepEqual(order, ['waits', 'released', 'works']);

  const { pid, done } = start('true', [], { onLine() {} });
  await done;
  mkdirSync(lock);
  writeFileSync(path.join(lock, 'owner'), `${pid} ${os.hostname()}`);
  const third = await tryLock(lock);
  assert.ok(third.release);
  third.release();
});

/** Whether a process is there and not just waiting to be forgotten by its parent. */
function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return !existsSync('/proc/self') || !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('a program is stopped with what it started', async () => {
  const lines = [];
  const child = start('sh', ['-c', 'sleep 60 & echo $!; wait'], { onLine: (line) => lines.push(Number(line)) });
  while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await stopAll();
  assert.equal((await child.done).signal, 'SIGTERM');
  for (let tries = 0; isRunning(lines[0]) && tries < 100; tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(isRunning(lines[0]), false);
});

test('a missing program is told, not thrown', async () => {
  assert.deepEqual(await run('edgegate-no-such-program', [], { quiet: true }).then(({ ok, missing }) => ({ ok, missing })), {
    ok: false,
    missing: true,
  });
});

test("the Worker's log is shown in short and wrangler's noise is not", () => {
  const shown = [];
  const line = gatewayLog((text) => shown.push(text));
  for (const text of [
    '[custom build] Running: node dev/build.mjs',
    'Using secrets defined in .dev.vars',
    'Your Worker has access to the following bindings:',
    'env.RULES ("[',
    '  {"path": "/", "allo...")      Environment Variable      local',
    '',
    '⎔ Starting local server...',
    '[wrangler:info] Ready on http://localhost:8787',
    '{"level":"info","message":"request","method":"GET","route":"/config","status":200,"duration_ms":2,"reason":null}',
    '[wrangler:info] GET /config 200 OK (5ms)',
    '\x1b[33m▲ \x1b[43;33m[\x1b[43;30mWARNING\x1b[43;33m]\x1b[0m \x1b[1m{"level":"warn","message":"slow","upstream":{"status":504}}\x1b[0m',
    '',
    '\x1b[31m✘ \x1b[41;31m[\x1b[41;97mERROR\x1b[41;31m]\x1b[0m \x1b[1mInvalid TOML document\x1b[0m',
    '',
    '    wrangler.toml:82:0:',
    '      at parse (cli.js:1:1)',
    '',
    '[custom build] error: could not compile',
    '⎔ Local server updated and ready',
  ]) {
    line(text);
  }
  assert.deepEqual(shown, [
    'info  request GET /config 200 2 ms',
    'warn  slow upstream={"status":504}',
    'error  Invalid TOML document',
    '    wrangler.toml:82:0:',
    'error: could not compile',
    'reloaded',
  ]);
  assert.equal(compactJson('not JSON'), undefined);
  assert.equal(compactJson('[1]'), undefined);
});
