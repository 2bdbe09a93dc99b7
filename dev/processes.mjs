// Starts programs and stops them again: each in a process group of its own, so that stopping one also stops what it
// started (wrangler starts workerd, cargo starts rustc), and nothing else.
import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, WORK_DIR, ending } from './plain.mjs';

/** How long a group may take to end after SIGTERM before it gets SIGKILL. */
const STOP_GRACE_MS = 5_000;

const PARENT_CHECK_MS = 500;

/** Lines of its output that are kept of each child, to be shown if it fails. */
const KEPT_LINES = 200;

const running = new Set();

/** The environment for every tool: the project's own tools first on the path, Rust's after the user's, wrangler quiet. */
export function toolEnv(extra = {}) {
  const cargoHome = process.env.CARGO_HOME || path.join(os.homedir(), '.cargo');
  return {
    ...process.env,
    PATH: [path.join(ROOT, 'node_modules', '.bin'), process.env.PATH, path.join(cargoHome, 'bin')].join(path.delimiter),
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    WRANGLER_HIDE_BANNER: 'true',
    WRANGLER_LOG_PATH: path.join(WORK_DIR, 'wrangler-logs'),
    WRANGLER_REGISTRY_PATH: path.join(WORK_DIR, 'wrangler-registry'),
    WRANGLER_SEND_ERROR_REPORTS: 'false',
    WRANGLER_SEND_METRICS: 'false',
    ...extra,
  };
}

export function withoutColour(line) {
  return line.replace(/\x1b\[[\d;]*[A-Za-z]/g, '');
}

/**
 * Starts a program. `input` is its standard input. `onLine(line)` sees its output line by line; without it the output goes to the
 * terminal.
 * `done` resolves, never rejects: `{ code, signal, missing }`, `missing` when there is no such program.
 */
export function start(command, args, { cwd = ROOT, env = toolEnv(), input, onLine } = {}) {
  const output = onLine ? 'pipe' : 'inherit';
  const stdio = [input === undefined ? 'ignore' : 'pipe', output, output];
  const child = { lines: [] };
  child.done = new Promise((resolve) => {
    const spawned = spawn(command, args, { cwd, env, stdio, detached: true });
    child.pid = spawned.pid;
    spawned.stdin?.on('error', () => {}).end(input); // a program that ends without reading it
    if (onLine) {
      const seen = (line) => {
        child.lines.push(line);
        if (child.lines.length > KEPT_LINES) child.lines.shift();
        onLine(line);
      };
      createInterface({ input: spawned.stdout }).on('line', seen);
      createInterface({ input: spawned.stderr }).on('line', seen);
    }
    spawned.on('error', (error) => {
      if (spawned.pid !== undefined) return; // it runs: a failed signal, not a failed start
      running.delete(child);
      resolve({ code: 127, signal: null, missing: error.code === 'ENOENT', error });
    });
    spawned.on('exit', () => signalGroup(child, 'SIGTERM')); // what it left behind
    spawned.on('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal, missing: false });
    });
  });
  if (child.pid !== undefined) running.add(child);
  return child;
}

/** Runs a program to its end. With `quiet`, its output is not shown but returned as `output`. */
export async function run(command, args, { quiet = false, onLine, ...options } = {}) {
  const output = [];
  const child = start(command, args, {
    ...options,
    onLine: quiet || onLine ? (line) => (output.push(line), onLine?.(line)) : undefined,
  });
  const end = await child.done;
  return { ...end, ok: end.code === 0, output: output.join('\n') };
}

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
    return true;
  } catch {
    return false; // the group is gone
  }
}

/** Stops everything that `start` and `run` started: SIGTERM, a few seconds, SIGKILL. */
export async function stopAll() {
  let left = [...running].filter((child) => signalGroup(child, 'SIGTERM'));
  const deadline = Date.now() + STOP_GRACE_MS;
  while (left.length > 0 && Date.now() < deadline) {
    await sleep(50);
    left = left.filter((child) => signalGroup(child, 0));
  }
  for (const child of left) signalGroup(child, 'SIGKILL');
}

/**
 * On Ctrl-C (which npm may deliver twice), SIGTERM or a closed terminal: stops the children, then ends this process.
 * Under npm also when npm was killed: the shell between does not pass every signal on.
 */
export function stopOnSignals({ announce, exitCode } = {}) {
  const stop = async (code) => {
    if (ending.requested) return;
    ending.requested = true;
    announce?.();
    await stopAll();
    process.exit(code);
  };
  process.on('SIGINT', () => stop(exitCode ?? 130));
  process.on('SIGTERM', () => stop(exitCode ?? 143));
  process.on('SIGHUP', () => stop(exitCode ?? 129));
  if (process.env.npm_lifecycle_event) {
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && stop(exitCode ?? 143), PARENT_CHECK_MS).unref();
  }
}
