// Builds the Worker: `npm run build`, and the [build] command of wrangler.toml. Does nothing when nothing has changed.
// Options: --force builds in any case; --self-test makes the tests' own build, which is never deployed, beside it.
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { OUTPUTS, inputHash, isUpToDate, writeStamp } from './build-stamp.mjs';
import { ensureDevVars } from './dev-vars.mjs';
import { withLock } from './lock.mjs';
import { ROOT, Stop, WORK_DIR, elapsed, isMain, main } from './plain.mjs';
import { run, stopOnSignals, toolEnv, withoutColour } from './processes.mjs';
import { WASM_TARGET, ensureRust } from './rust.mjs';
import { measure, sizeTable } from './size-report.mjs';

/** What rustc emits for the target, plus the exceptions of wasm-bindgen's catch wrappers. With more
 *  (`--all-features`), wasm-opt writes imports that workerd refuses. */
const WASM_FEATURES = [
  'bulk-memory',
  'exception-handling',
  'multivalue',
  'mutable-globals',
  'nontrapping-float-to-int',
  'reference-types',
  'sign-ext',
];

/** What is deployed. */
export const DEPLOYED = { folder: path.join(ROOT, 'build'), cargoOptions: [] };
/** The same with the routes of src/platform/self_test.rs. */
const SELF_TEST = { folder: path.join(WORK_DIR, 'self-test'), cargoOptions: ['--features', 'self-test'] };

const STAGING = path.join(WORK_DIR, 'staging');

/** Brings build/ (or the tests' own build) up to date; returns whether there was anything to do. */
export async function build({ force = false, selfTest = false } = {}) {
  const variant = selfTest ? SELF_TEST : DEPLOYED;
  if (!force && isUpToDate(variant.folder)) return false;
  return withLock(
    path.join(WORK_DIR, 'build.lock'),
    () => console.log('Waiting for another build of this folder …'),
    async ({ waited }) => {
      if ((!force || waited) && isUpToDate(variant.folder)) return false;
      await buildNow(variant);
      return true;
    },
  );
}

async function buildNow({ folder, cargoOptions }) {
  const { wasmBindgen } = await ensureTools();
  const inputs = inputHash();
  const since = Date.now();
  const isFirst = !existsSync(path.join(ROOT, 'target', WASM_TARGET, 'release'));
  console.log(`Building the Worker${isFirst ? ' (the first time takes a minute or two)' : ''} …`);
  rmSync(STAGING, { recursive: true, force: true });
  await compile(cargoOptions);
  await bind(wasmBindgen.program);
  await bundle();
  await optimise();
  publish(inputs, folder);
  console.log(`Built in ${elapsed(since)}.`);
}

/** The crate as wasm. */
async function compile(cargoOptions) {
  const env = toolEnv({ CARGO_TERM_COLOR: process.stdout.isTTY ? 'always' : 'auto' });
  const args = ['build', '--release', '--lib', '--target', WASM_TARGET, '--target-dir', path.join(ROOT, 'target'), '--locked', ...cargoOptions];
  const built = await run('cargo', args, { env, onLine: newsFilter((line) => console.log(line)) });
  if (!built.ok) throw new Stop('The Worker could not be built: the lines above say why.');
}

/** Its imports and exports as a JavaScript module that makes the instance, and makes a new one after a panic. */
async function bind(program) {
  const wasm = path.join(ROOT, 'target', WASM_TARGET, 'release', 'edgegate.wasm');
  const recovery = ['--experimental-reset-state-function', '--force-enable-abort-handler'];
  const args = ['--target', 'module', '--no-typescript', '--out-dir', STAGING, '--out-name', 'index', ...recovery, wasm];
  const bound = await run(program, args, { quiet: true });
  if (!bound.ok) {
    console.error(bound.output);
    throw new Stop('wasm-bindgen failed: the lines above say why.');
  }
}

/** That module and the Worker's own scripts in one file. */
async function bundle() {
  const module = path.join(STAGING, 'index.js');
  // Wrangler and workerd give the compiled module to a plain import.
  writeFileSync(module, readFileSync(module, 'utf8').replace('import source wasmModule from', 'import wasmModule from'));
  const platform = path.join(ROOT, 'src', 'platform');
  const scripts = readdirSync(platform).filter((name) => name.endsWith('.js'));
  for (const name of scripts) copyFileSync(path.join(platform, name), path.join(STAGING, name));
  const { build: esbuild } = await import('esbuild');
  await esbuild({
    entryPoints: [path.join(STAGING, 'shim.js')], outfile: module, allowOverwrite: true,
    bundle: true, format: 'esm', target: 'es2024', minify: true, external: ['./index_bg.wasm', 'cloudflare:*'], logLevel: 'warning',
    logOverride: { 'duplicate-object-key': 'silent' }, // wasm-bindgen names ./native.js twice, each time the same
  });
}

/** The tools, installed if they are missing: wrangler may have been started by hand in a fresh clone. */
async function ensureTools() {
  const { cargoTools, ensureCargoTools, missingCargoTools } = await import('./cargo-tools.mjs');
  const { packagesProblem } = await import('./npm-packages.mjs');
  const problem = packagesProblem();
  if (problem) throw new Stop(`The npm packages are not ready (${problem}): run \`npm ci\` once.`);
  await ensureRust({ forTests: false });
  if (missingCargoTools().length > 0) await ensureCargoTools();
  return cargoTools();
}

/** Lets cargo's warnings and errors through; its chatter says nothing about the project. */
function newsFilter(show) {
  const chatter = /^\s*(Compiling |Finished |Download(ed|ing) |Blocking |Locking |Updating |$)/;
  return (line) => {
    if (!chatter.test(withoutColour(line))) show(line);
  };
}

/** Makes the wasm small; the names of functions, a third of it, go. */
async function optimise() {
  const wasm = path.join(STAGING, 'index_bg.wasm');
  const small = path.join(STAGING, 'small.wasm');
  const features = WASM_FEATURES.map((feature) => `--enable-${feature}`);
  const args = [...features, '-Oz', '--strip-debug', '--strip-producers', wasm, '--output', small];
  const optimised = await run('wasm-opt', args, { quiet: true });
  if (!optimised.ok) {
    console.error(optimised.output);
    throw new Stop('wasm-opt failed: the lines above say why; `npm ci` installs it anew.');
  }
  renameSync(small, wasm);
}

/** Moves the result into its folder, the stamp last: whoever sees the stamp sees the whole. */
function publish(inputs, folder) {
  for (const name of OUTPUTS) {
    if (!existsSync(path.join(STAGING, name))) throw new Stop(`The build gave no ${name}: run \`npm run build -- --force\`.`);
  }
  mkdirSync(folder, { recursive: true });
  for (const name of ['index_bg.wasm', 'index.js']) {
    renameSync(path.join(STAGING, name), path.join(folder, name));
  }
  rmSync(STAGING, { recursive: true, force: true });
  writeStamp(inputs, folder);
}

/** The table of sizes of what is in build/. */
export function sizes() {
  return sizeTable(measure(DEPLOYED.folder, OUTPUTS));
}

if (isMain(import.meta.url)) {
  stopOnSignals();
  await main(async () => {
    const selfTest = process.argv.includes('--self-test');
    const changed = await build({ force: process.argv.includes('--force'), selfTest });
    if (selfTest) return;
    if (process.env.WRANGLER_COMMAND === 'dev') {
      ensureDevVars(); // wrangler started by hand: it reads the file after this
      return; // and no report: wrangler asks before each start
    }
    if (!changed) console.log('build/ is up to date.');
    console.log(sizes());
  });
}
