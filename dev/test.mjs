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
  step('node', 'Tests of the scripts and the local Cognito', () => nodeTests('tests', CORES)),
  step('worker', 'Tests in the real runtime', () => nodeTests('tests/worker', Math.min(CORES, 2))),
  step('browser', 'Tests in Chromium', () => nodeTests('tests/browser', 1)),
];

function step(name, title, check) {
  return { name, title, check };
}

/** Runs a program with its output on the terminal; whether it ended well. */
async function command(program, args, env = {}) {
  return (await run(program, args, { env: toolEnv(env) })).ok;
}

function cargo(...args) {
  return command('cargo', args);
}

function vectorsNote() {
  if (process.env.EDGEGATE_VECTORS) return undefined;
  return 'The public test vectors are not run: set EDGEGATE_VECTORS to the folder that holds them.';
}

function cargoTest() {
  if (vectorsNote()) console.log(vectorsNote());
  return cargo('test', '--locked');
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

async function nodeTests(folder, concurrency) {
  const files = readdirSync(path.join(ROOT, folder))
    .filter((name) => name.endsWith('.test.mjs'))
    .sort();
  if (files.length === 0) {
    console.error(`There is no ${folder}/*.test.mjs.`);
    return false;
  }
  const options = ['--test', `--test-concurrency=${concurrency}`, `--test-timeout=${NODE_TEST_LIMIT_MS}`];
  const chromium = findChromium();
  return command('node', [...options, ...files.map((name) => `${folder}/${name}`)], chromium && { CHROMIUM_BIN: chromium });
}

const HELP = `npm test: every check, in order, up to the first that fails.

Usage: npm test [-- options]

  --only STEP[,STEP]   only these steps
  --list               the steps
  --help               show this
`;

function parseOptions(args) {
  try {
    return util.parseArgs({
      args,
      options: { only: { type: 'string' }, list: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
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

async function testAll(args) {
  const options = parseOptions(args);
  if (options.help) return console.log(HELP);
  if (options.list) return console.log(STEPS.map(({ name, title }) => `${name.padEnd(12)} ${title}`).join('\n'));
  const steps = chosenSteps(options.only);
  const since = Date.now();
  await setup({ forTests: true, browser: steps.some(({ name }) => name === 'browser') });
  ensureDevVars();
  for (const [index, { name, title, check }] of steps.entries()) {
    const stepSince = Date.now();
    console.log(`\n=== ${index + 1}/${steps.length} ${name}: ${title}`);
    if (!(await check())) {
      throw new Stop(
        `${name} failed after ${elapsed(stepSince)} (${index} of ${steps.length} steps passed). Again: \`npm test -- --only ${name}\`.`,
      );
    }
    console.log(`=== ${name} passed in ${elapsed(stepSince)}`);
  }
  if (steps.some(({ name }) => name === 'cargo-test') && vectorsNote()) console.log(`\n${vectorsNote()}`);
  const what = steps.length === STEPS.length ? 'all steps' : `${steps.map(({ name }) => name).join(', ')}:`;
  console.log(`\n${what} passed in ${Math.round((Date.now() - since) / 1000)} s`);
}

stopOnSignals();
await main(() => testAll(process.argv.slice(2)));
