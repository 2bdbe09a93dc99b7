// `npm test`: every check there is, in order, up to the first that fails.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { cargoTools } from './cargo-tools.mjs';
import { findChromium } from './chromium.mjs';
import { ROOT, Stop, elapsed, main } from './plain.mjs';
import { run, stopOnSignals, toolEnv } from './processes.mjs';
import { ensureDevVars, setup } from './setup.mjs';
import { writeStrictConfig } from './strict-config.mjs';

/** A test that takes longer hangs. The browser tests' slowest file needs a fraction of it. */
const NODE_TEST_LIMIT_MS = 600_000;

const WASM = ['--target', 'wasm32-unknown-unknown'];
const DENY = ['--', '-D', 'warnings'];
const CORES = os.cpus().length;

const STEPS = [
  step('fmt', 'Rust is formatted', () => cargo('fmt', '--check')),
  step('clippy', 'Lints, native', () => cargo('clippy', '--all-targets', '--locked', ...DENY)),
  step('clippy-wasm', 'Lints, wasm', () => cargo('clippy', '--lib', '--locked', '--all-features', ...WASM, ...DENY)),
  step('deny', 'Licences and sources of the crates', deny),
  step('cargo-test', 'Rust tests', cargoTest),
  step('doc', 'Documentation builds', () =>
    command('cargo', ['doc', '--no-deps', '--locked', '--document-private-items'], { RUSTDOCFLAGS: '-Dwarnings' }),
  ),
  step('build', 'The Worker builds', () => command('node', ['dev/build.mjs'])),
  step('self-test', 'The tests\' own build of the Worker builds', () => command('node', ['dev/build.mjs', '--self-test'])),
  step('dry-run', 'The production configuration deploys (dry run)', dryRun),
  step('node', 'Tests of the scripts and the local Cognito', (options) => nodeTests('tests', 1, options)),
  step('worker', 'Tests in the real runtime', (options) => nodeTests('tests/worker', Math.min(CORES, 2), options)),
  step('browser', 'Tests in Chromium', (options) => nodeTests('tests/browser', 1, options)),
];

/** These lists of steps run beside each other where there are cores for it. Two are full with one of them; and with `--all` each step is to
 *  have the machine for itself. */
const LANES = [['worker'], ['browser', 'node']];

function step(name, title, check) {
  return { name, title, check };
}

/** Runs a program with its output on the terminal, with `quiet` all of it at the end; whether it ended well. */
async function command(program, args, env = {}, { quiet = false } = {}) {
  const { ok, output } = await run(program, args, { env: toolEnv(env), quiet });
  if (quiet) console.log(output);
  return ok;
}

function cargo(...args) {
  return command('cargo', args);
}

function vectorsNote() {
  if (process.env.EDGEGATE_VECTORS) return undefined;
  return 'The public test vectors are not run: set EDGEGATE_VECTORS to the folder that holds them.';
}

/** What a run without `--all` leaves out. */
function largeSetsNote({ all }) {
  return all ? undefined : 'The large sets of the model checker and of the soak are not run: `npm test -- --all` runs them.';
}

function cargoTest(options) {
  if (vectorsNote()) console.log(vectorsNote());
  return cargo('test', '--locked', ...(options.all ? ['--', '--include-ignored'] : []));
}

/** The environment that has tests run their large sets. */
function sizeOf({ all }) {
  return all ? { EDGEGATE_ALL: '1' } : {};
}

/** All crates are fetched first, those of other systems too; the check itself asks nobody. */
async function deny() {
  const { program } = cargoTools({ forTests: true }).cargoDeny;
  return (await cargo('fetch', '--locked')) && command(program, ['--offline', '--locked', 'check', 'bans', 'licenses', 'sources']);
}

/** As it is, and with strict mode switched on. */
async function dryRun() {
  const outdir = mkdtempSync(path.join(os.tmpdir(), 'edgegate-dry-run-'));
  const deploys = (...more) =>
    command('wrangler', ['deploy', '--dry-run', '--env', 'production', '--outdir', outdir, ...more], { CI: '1' });
  try {
    return (await deploys()) && (await deploys('--config', writeStrictConfig()));
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

async function nodeTests(folder, concurrency, options) {
  const files = readdirSync(path.join(ROOT, folder))
    .filter((name) => name.endsWith('.test.mjs'))
    .sort();
  if (files.length === 0) {
    console.error(`There is no ${folder}/*.test.mjs.`);
    return false;
  }
  const args = ['--test', `--test-concurrency=${concurrency}`, `--test-timeout=${NODE_TEST_LIMIT_MS}`];
  const chromium = findChromium();
  const env = { ...sizeOf(options), ...(chromium && { CHROMIUM_BIN: chromium }) };
  return command('node', [...args, ...files.map((name) => `${folder}/${name}`)], env, options);
}

const HELP = `npm test: every check, in order, up to the first that fails.

Usage: npm test [-- options]

  --only STEP[,STEP]   only these steps
  --all                the large sets too, and each step by itself: as CI runs it
  --list               the steps
  --help               show this
`;

function parseOptions(args) {
  try {
    return util.parseArgs({
      args,
      options: { only: { type: 'string' }, all: { type: 'boolean' }, list: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    }).values;
  } catch (error) {
    const [sentence] = error.message.split(/\.\s|\n/);
    throw new Stop(`${sentence.replace(/\.$/, '')}: \`npm test -- --help\` lists the options.`);
  }
}

function chosenSteps(only) {
  if (only === undefined) return STEPS;
  const names = only.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !STEPS.some((each) => each.name === name));
  if (unknown !== undefined) {
    throw new Stop(`There is no step "${unknown}": the steps are ${STEPS.map((each) => each.name).join(', ')}.`);
  }
  return STEPS.filter((each) => names.includes(each.name));
}

/** Runs one step and tells how it went. */
async function runStep({ name, title, check }, options) {
  const since = Date.now();
  if (!options.quiet) console.log(`\n=== ${name}: ${title}`);
  const passed = await check(options);
  if (options.quiet) console.log(`=== The above is ${name}: ${title}`);
  if (!passed) throw new Stop(`${name} failed after ${elapsed(since)}. Again: \`npm test -- --only ${name}\`.`);
  console.log(`=== ${name} passed in ${elapsed(since)}`);
}

/** Runs the lanes beside each other, each to its first failure; all of their failures are told. */
async function runLanes(lanes, options) {
  console.log(`\n=== ${lanes.map((lane) => lane.map(({ name }) => name).join(', then ')).join('; beside it ')}: each is shown at its end`);
  const inTurn = async (lane) => {
    for (const each of lane) await runStep(each, { ...options, quiet: true });
  };
  const failures = (await Promise.allSettled(lanes.map(inTurn))).filter(({ reason }) => reason).map(({ reason }) => reason);
  const unexpected = failures.find((reason) => !(reason instanceof Stop));
  if (unexpected) throw unexpected;
  if (failures.length > 0) throw new Stop(failures.map(({ message }) => message).join('\n'));
}

async function testAll(args) {
  const options = parseOptions(args);
  if (options.help) return console.log(HELP);
  if (options.list) return console.log(STEPS.map(({ name, title }) => `${name.padEnd(12)} ${title}`).join('\n'));
  const steps = chosenSteps(options.only);
  const all = options.all === true;
  const since = Date.now();
  await setup({ forTests: true, browser: steps.some(({ name }) => name === 'browser') });
  ensureDevVars();
  const lanes = all || CORES <= 2 ? [] : LANES.map((lane) => lane.map((name) => steps.find((each) => each.name === name)).filter(Boolean)).filter((lane) => lane.length > 0);
  const together = lanes.length > 1 ? lanes.flat() : [];
  for (const each of steps.filter((each) => !together.includes(each))) await runStep(each, { all });
  if (together.length > 0) await runLanes(lanes, { all });
  const hasLargeSets = steps.some(({ name }) => ['cargo-test', 'worker'].includes(name));
  const notes = [steps.some(({ name }) => name === 'cargo-test') && vectorsNote(), hasLargeSets && largeSetsNote({ all })];
  for (const note of notes.filter(Boolean)) console.log(`\n${note}`);
  const what = steps.length === STEPS.length ? 'all steps' : `${steps.map(({ name }) => name).join(', ')}:`;
  console.log(`\n${what} passed in ${Math.round((Date.now() - since) / 1000)} s`);
}

stopOnSignals();
await main(() => testAll(process.argv.slice(2)));
