// The tools that are built from crates.io once per machine and kept in the user's cache folder, one folder per version: wasm-bindgen,
// which binds the wasm to JavaScript, and for the tests cargo-deny.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { ROOT, Stop, elapsed } from './plain.mjs';
import { withLock } from './lock.mjs';
import { run, toolEnv } from './processes.mjs';

/** Between two progress lines where the last one cannot be overwritten. */
const PROGRESS_EVERY_MS = 30_000;

const CACHE = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'edgegate');

/** They are built here, one after the other: they share many of their crates. */
const BUILDING = path.join(CACHE, 'building');

/** The version that Cargo.lock has of a crate. */
export function lockedVersion(crate, lockText = readFileSync(path.join(ROOT, 'Cargo.lock'), 'utf8')) {
  const version = lockText.match(new RegExp(`^name = "${crate}"\\nversion = "([^"]+)"`, 'm'))?.[1];
  if (!version) throw new Stop(`Cargo.lock has no ${crate}: get Cargo.lock back from git.`);
  return version;
}

/** A newer one may need a newer Rust. */
const CARGO_DENY_VERSION = '0.20.2';

/** The tools; that of the build in exactly the version that fits the crate of Cargo.lock. */
export function cargoTools({ forTests = false } = {}) {
  return {
    // Its default features are for another program of that crate, which fetches browser drivers.
    wasmBindgen: tool('wasm-bindgen-cli', 'wasm-bindgen', lockedVersion('wasm-bindgen'), '2 minutes', ['--no-default-features']),
    ...(forTests && { cargoDeny: tool('cargo-deny', 'cargo-deny', CARGO_DENY_VERSION, '4 minutes', ['--no-default-features']) }),
  };
}

function tool(crate, binary, version, duration, flags = []) {
  const folder = path.join(CACHE, `${crate}-${version}`);
  return { crate, binary, version, folder, program: path.join(folder, 'bin', binary), duration, flags };
}

export function missingCargoTools(options) {
  return Object.values(cargoTools(options)).filter(({ program }) => !existsSync(program));
}

export async function ensureCargoTools(options) {
  if (missingCargoTools(options).length === 0) return;
  await withLock(
    `${BUILDING}.lock`,
    () => console.log('Waiting for another run that builds these tools …'),
    async () => {
      for (const missing of missingCargoTools(options)) await install(missing);
      rmSync(BUILDING, { recursive: true, force: true });
    },
  );
}

/** Builds aside and moves the whole in place at the end; what an interrupted build did is there for the next. */
async function install({ crate, binary, version, folder, duration, flags }) {
  const root = path.join(BUILDING, 'root');
  mkdirSync(BUILDING, { recursive: true });
  rmSync(root, { recursive: true, force: true });
  const progress = showProgress(`Building ${crate} ${version} (once per machine, about ${duration})`);
  const env = toolEnv({
    // Half the time to build; each runs for a moment only.
    CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
    CARGO_TARGET_DIR: path.join(BUILDING, 'target'),
    CARGO_TERM_COLOR: 'never',
    CARGO_TERM_PROGRESS_WHEN: 'always',
    CARGO_TERM_PROGRESS_WIDTH: '80',
  });
  delete env.CARGO_BUILD_TARGET; // the tool is for this machine, whatever else is built
  const args = ['install', '--locked', '--root', root, '--bin', binary, ...flags, '--version', version, crate];
  const built = await run('cargo', args, { cwd: BUILDING, env, onLine: progress.line });
  progress.end(built.ok);
  if (!built.ok) {
    console.error(
      built.output
        .split('\n')
        .filter((line) => !isProgress(line))
        .slice(-30)
        .join('\n'),
    );
    throw new Stop(`${crate} could not be built: cargo's lines above say why; run this again to go on where it stopped.`);
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(root, folder);
}

function isProgress(line) {
  return /\d+\/\d+/.test(line) && /^\s*Building \[/.test(line);
}

/** Shows how far cargo is: on a terminal in one line, else in a line every half minute. */
function showProgress(title) {
  const since = Date.now();
  const { isTTY } = process.stdout;
  let crates = '';
  let shownAt = since;
  const show = () => {
    if (isTTY) process.stdout.write(`\r${title} … ${crates}${elapsed(since)}\x1b[K`);
    else if (Date.now() - shownAt >= PROGRESS_EVERY_MS) {
      shownAt = Date.now();
      console.log(`  … ${crates}${elapsed(since)}`);
    }
  };
  if (!isTTY) console.log(`${title} …`);
  const ticker = setInterval(show, 1_000);
  return {
    line(line) {
      const [, done, all] = (isProgress(line) && line.match(/(\d+)\/(\d+)/)) || [];
      if (all) crates = `${done} of ${all} crates, `;
    },
    end(ok) {
      clearInterval(ticker);
      if (isTTY) process.stdout.write('\r\x1b[K');
      console.log(`${title}: ${ok ? 'done' : 'failed'} after ${elapsed(since)}.`);
    },
  };
}
