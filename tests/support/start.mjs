// The product as a user starts it: `node dev/start.mjs` on free ports, with a KV folder of its own.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { isPortLost, onFreePorts, PortLost } from './ports.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The last line of the block that says where to go. */
const READY = /^ +Stop +Ctrl-C$/m;

/** A start that has to build first takes long. */
const START_LIMIT_MS = 300_000;

/** `npm start` gives its parts five seconds. */
const STOP_LIMIT_MS = 15_000;

export const ALICE = 'alice@example.com';
export const BOB = 'bob@example.com';

/** Starts everything and waits for the final block. `args` go to `npm start`. */
export function startProduct(args = []) {
  return onFreePorts(3, (ports) => startOn(ports, args));
}

async function startOn([port, cognitoPort, apiPort], args) {
  const persistTo = mkdtempSync(path.join(os.tmpdir(), 'edgegate-browser-'));
  const own = ['--port', port, '--cognito-port', cognitoPort, '--api-port', apiPort, '--persist-to', persistTo];
  const child = spawn(process.execPath, ['dev/start.mjs', ...own.map(String), ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const product = new Product(child, {
    gateway: `${args.includes('--https') ? 'https' : 'http'}://localhost:${port}`,
    cognito: `http://127.0.0.1:${cognitoPort}`,
    api: `http://127.0.0.1:${apiPort}`,
    ports: [port, cognitoPort, apiPort],
    persistTo,
  });
  await product.untilReady();
  return product;
}

class Product {
  #child;
  #ports;
  #closed;
  output = '';

  constructor(child, { gateway, cognito, api, ports, persistTo }) {
    Object.assign(this, { gateway, cognito, api, persistTo });
    this.#child = child;
    this.#ports = ports;
    this.#closed = once(child, 'close');
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { this.output += text; });
    // A test run that is cut short must not leave it running.
    process.once('exit', () => child.kill('SIGTERM'));
  }

  async untilReady() {
    const deadline = Date.now() + START_LIMIT_MS;
    while (!READY.test(this.output)) {
      if (this.#child.exitCode !== null) {
        await this.#closed; // and all of its output is here
        rmSync(this.persistTo, { recursive: true, force: true });
        if (isPortLost(this.output)) throw new PortLost(this.output);
        assert.fail(`npm start ended with ${this.#child.exitCode}:\n${this.output}`);
      }
      if (Date.now() > deadline) assert.fail(`npm start was not ready in ${START_LIMIT_MS / 1000} s:\n${this.output}`);
      await pause(50);
    }
  }

  /** Sets switches of the local Cognito; see dev/cognito/switches.mjs. */
  set(switches) {
    return this.#control('', switches);
  }

  /** Changes accounts of the local Cognito, as an administrator of the pool would: `{ email: { enabled: false } }`. */
  setAccounts(accounts) {
    return this.#control('/users', accounts);
  }

  /** All switches back to their defaults, all accounts enabled, the list of requests empty. */
  async reset() {
    await this.#control('/reset', {});
    await this.setAccounts({ [ALICE]: { enabled: true }, [BOB]: { enabled: true } });
  }

  /** What Cognito has been asked since the last reset. */
  async requests(requestPath) {
    const all = await this.#control('/requests');
    return requestPath === undefined ? all : all.filter((request) => request.path === requestPath);
  }

  /** The token requests of one grant: `authorization_code` or `refresh_token`. */
  async grants(kind) {
    return (await this.requests('/oauth2/token')).filter(({ form }) => form.grant_type === kind);
  }

  async #control(resource, body) {
    const post = body && { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(`${this.cognito}/_control${resource}`, post);
    const answer = await response.json();
    assert.equal(response.status, 200, answer.error);
    return answer;
  }

  /** Stops it as Ctrl-C does, and fails if anything of it is left: a process, a port, the lock on its folder. */
  async stop() {
    const family = descendants(this.#child.pid);
    this.#child.kill('SIGTERM');
    const [code, signal] = await Promise.race([this.#closed, pause(STOP_LIMIT_MS).then(() => ['still running'])]);
    const left = stillRunning([this.#child.pid, ...family]);
    for (const pid of left) process.kill(pid, 'SIGKILL');
    const locked = existsSync(path.join(this.persistTo, '.in-use'));
    rmSync(this.persistTo, { recursive: true, force: true });

    assert.deepEqual([code, signal], [0, null], `how npm start ended:\n${this.output}`);
    assert.deepEqual(left, [], 'processes that npm start left behind');
    assert.equal(locked, false, 'npm start left the lock on its folder');
    for (const port of this.#ports) assert.equal(await isOpen(port), false, `port ${port} still answers`);
    assert.ok(family.length >= 3, `npm start has at least Cognito, wrangler and workerd below it, and not ${family.length}`);
  }
}

function pause(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms).unref(); });
}

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  });
}

/** `{ pid, parent }` of every process but those that have ended and only wait to be counted. */
function processes() {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' }).trim().split('\n');
  return lines
    .map((line) => line.trim().split(/ +/))
    .filter(([, , state]) => !state.startsWith('Z'))
    .map(([pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }));
}

function descendants(root) {
  const all = processes();
  const found = [root];
  for (const pid of found) found.push(...all.filter(({ parent }) => parent === pid).map((child) => child.pid));
  return found.slice(1);
}

function stillRunning(pids) {
  const alive = new Set(processes().map(({ pid }) => pid));
  return pids.filter((pid) => alive.has(pid));
}
