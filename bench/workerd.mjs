// Starts `workerd serve` with one Worker and nothing else in the process, and tells what it has used of the machine.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { ROOT, Stop } from '../dev/plain.mjs';

/** The runtime that wrangler brings, so that it is the one of `npm start` and the tests. */
const { default: WORKERD, version } = createRequire(createRequire(import.meta.url).resolve('wrangler'))('workerd');
export { version as workerdVersion };

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/**
 * Writes the configuration of one Worker into `folder`: `modules` by name, `bindings` as text, number or object (JSON),
 * `world` the ports of world.mjs. Everything the Worker asks for goes there, whatever host it names.
 */
export function writeConfig(folder, { modules, bindings, world }) {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(modules)) writeFileSync(path.join(folder, name), bytes);
  const text = JSON.stringify;
  const moduleList = Object.keys(modules).map((name) => `(name = ${text(name)}, ${name.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed ${text(name)})`);
  const bindingList = Object.entries(bindings).map(([name, value]) =>
    typeof value === 'string' ? `(name = ${text(name)}, text = ${text(value)})` : `(name = ${text(name)}, json = ${text(text(value))})`);
  writeFileSync(path.join(folder, 'config.capnp'), `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "web", external = (address = "127.0.0.1:${world.webPort}", http = ())),
    (name = "kv", external = (address = "127.0.0.1:${world.kvPort}", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (forwardedProtoHeader = "x-forwarded-proto"), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [${moduleList.join(', ')}],
  compatibilityDate = ${text(compatibilityDate())},
  globalOutbound = "web",
  bindings = [
    (name = "ASSETS", service = "web"),
    (name = "SESSIONS", kvNamespace = "kv"),
    ${bindingList.join(',\n    ')}
  ],
);
`);
}

function compatibilityDate() {
  const toml = readFileSync(path.join(ROOT, 'wrangler.toml'), 'utf8');
  if (/^compatibility_flags/m.test(toml)) throw new Error('wrangler.toml has compatibility flags now: pass them on here');
  return /^compatibility_date = "([^"]+)"/m.exec(toml)[1];
}

/** Starts it; resolves as soon as it listens: `{ pid, port, stop }`. */
export async function startWorkerd(folder, name) {
  // The Worker's log goes where writing costs least; a complaint of workerd itself is kept.
  const child = spawn(WORKERD, ['serve', 'config.capnp', '--control-fd=3'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  running.add(child);
  let complaint = '';
  child.stderr.on('data', (chunk) => (complaint = (complaint + chunk).slice(-2000)));
  child.on('exit', () => running.delete(child));
  const port = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => reject(new Stop(`workerd did not start for ${name}: ${complaint}`)));
    createInterface({ input: child.stdio[3] }).on('line', (line) => {
      const event = JSON.parse(line);
      if (event.event === 'listen') resolve(event.port);
    });
  });
  const stop = () => new Promise((resolve) => {
    if (!running.has(child)) return resolve();
    child.on('exit', resolve);
    child.kill('SIGKILL');
  });
  return { pid: child.pid, port, stop };
}

/** Without /proc there is nothing to measure with. */
export function checkMachine() {
  try {
    cpuOf(process.pid);
  } catch {
    throw new Stop('The benchmarks need Linux: they read the CPU time of workerd from /proc.');
  }
}

/** The CPU time of a process so far, by thread, in nanoseconds. */
export function cpuOf(pid) {
  const folder = `/proc/${pid}/task`;
  const times = new Map();
  for (const thread of readdirSync(folder)) {
    try {
      times.set(thread, Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]));
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error; // it has just ended
    }
  }
  if (times.size === 0) throw new Error('no threads');
  return times;
}

/** Nanoseconds between two readings. A thread that ended in between takes its last part with it, which `lost` tells. */
export function cpuBetween(before, after) {
  let ns = 0;
  for (const [thread, time] of after) ns += time - (before.get(thread) ?? 0);
  const lost = [...before.keys()].filter((thread) => !after.has(thread)).length;
  return { ns, lost };
}

/** The memory of a process that is in RAM, in bytes. */
export function rssOf(pid) {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}
