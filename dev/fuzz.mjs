// `npm run fuzz`: the fuzz targets on what libFuzzer makes up, each for a while, and what came of it as a table.
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { ROOT, Stop, WORK_DIR, elapsed, main } from './plain.mjs';
import { run, stopOnSignals, toolEnv } from './processes.mjs';

const FUZZ = 'tests/fuzz';
const TARGET_DIR = path.join(ROOT, 'target', 'fuzz');
/** What libFuzzer collects and what it finds; ignored by git. */
const SCRATCH = path.join(WORK_DIR, 'fuzz');

/** Longer inputs are slower and reach nothing new but the limits, which the unit tests know. */
const MAX_INPUT_BYTES = 4096;
/** One input that takes this long is a finding. */
const INPUT_LIMIT_SECS = 10;
/** AddressSanitizer watches the crates below; the project itself has no unsafe code. */
const SANITIZERS = ['address', 'none'];

const HELP = `npm run fuzz: the fuzz targets, each from its committed seeds and from what earlier runs have collected.

Usage: npm run fuzz [-- options] [target…]

  --seconds N          how long each target runs (600)
  --jobs N             targets that run at once (2)
  --sanitizer WHICH    ${SANITIZERS.join(' or ')}; without it the first that builds here
  --help               show this

Ends with 1 when something was found; the input that shows it is then named.
`;

function parseOptions(args) {
  const options = {
    seconds: { type: 'string', default: '600' },
    jobs: { type: 'string', default: '2' },
    sanitizer: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  };
  const hint = '`npm run fuzz -- --help` lists the options.';
  let parsed;
  try {
    parsed = util.parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    const [sentence] = error.message.split(/\.\s|\n/);
    throw new Stop(`${sentence.replace(/\.$/, '')}: ${hint}`);
  }
  const { values, positionals } = parsed;
  for (const name of ['seconds', 'jobs']) {
    if (!/^[1-9]\d{0,6}$/.test(values[name])) throw new Stop(`--${name} takes a whole number from 1: ${hint}`);
    values[name] = Number(values[name]);
  }
  if (values.sanitizer !== undefined && !SANITIZERS.includes(values.sanitizer)) {
    throw new Stop(`--sanitizer takes ${SANITIZERS.join(' or ')}: ${hint}`);
  }
  return { ...values, targets: chosenTargets(positionals) };
}

function chosenTargets(names) {
  const all = readdirSync(path.join(ROOT, FUZZ, 'fuzz_targets'))
    .map((name) => path.basename(name, '.rs'))
    .sort();
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Stop(`There is no target "${unknown}": the targets are ${all.join(', ')}.`);
  return names.length === 0 ? all : all.filter((name) => names.includes(name));
}

/** Nothing is installed here: it takes minutes, and only this script needs it. */
async function checkTools() {
  const [nightly, cargoFuzz] = await Promise.all([
    run('cargo', ['+nightly', '--version'], { quiet: true }),
    run('cargo', ['fuzz', '--version'], { quiet: true }),
  ]);
  if (!nightly.ok) {
    throw new Stop('Fuzzing needs a nightly Rust toolchain, and there is none: `rustup toolchain install nightly` gets it.');
  }
  if (!cargoFuzz.ok) {
    throw new Stop('Fuzzing needs cargo-fuzz, which is not on the path: `cargo install --locked cargo-fuzz` gets it.');
  }
}

/** Builds every target; with AddressSanitizer unless its runtime does not link here. The sanitizer that it became. */
async function build(wanted) {
  const candidates = wanted === undefined ? SANITIZERS : [wanted];
  for (const sanitizer of candidates) {
    console.log(`Building the targets (sanitizer: ${sanitizer}) …`);
    const options = ['--fuzz-dir', FUZZ, '--target-dir', TARGET_DIR, '--sanitizer', sanitizer];
    const built = await run('cargo', ['+nightly', 'fuzz', 'build', ...options], { quiet: true });
    if (built.ok) return sanitizer;
    const linking = /linking with|sanitizer/i.test(built.output);
    if (sanitizer === candidates.at(-1) || !linking) {
      console.error(built.output.split('\n').slice(-40).join('\n'));
      throw new Stop("The targets could not be built: cargo's lines above say why.");
    }
  }
}

async function programs() {
  const { output } = await run('rustc', ['+nightly', '-vV'], { quiet: true });
  const host = output.match(/^host: (.+)$/m)?.[1];
  return (target) => path.join(TARGET_DIR, host, 'release', target);
}

/** Runs one target: what libFuzzer counted, and what it found. */
async function fuzz(target, program, seconds) {
  const [corpus, artifacts] = ['corpus', 'artifacts'].map((name) => path.join(SCRATCH, name, target));
  mkdirSync(artifacts, { recursive: true });
  cpSync(path.join(ROOT, FUZZ, 'seeds', target), corpus, { recursive: true });
  const options = {
    artifact_prefix: `${artifacts}${path.sep}`,
    max_len: MAX_INPUT_BYTES,
    max_total_time: seconds,
    print_final_stats: 1,
    timeout: INPUT_LIMIT_SECS,
  };
  const args = Object.entries(options).map(([name, value]) => `-${name}=${value}`);
  const since = Date.now();
  console.log(`${target} …`);
  const { ok, output } = await run(program, [corpus, ...args], {
    quiet: true,
    env: toolEnv({ ASAN_OPTIONS: 'detect_odr_violation=0', RUST_BACKTRACE: '0' }),
  });
  const number = (pattern) => [...output.matchAll(pattern)].at(-1)?.[1] ?? '?';
  const [artifact] = output.match(/(?<=Test unit written to ).+/) ?? [];
  console.log(`${target}: ${ok ? 'nothing found' : 'FOUND SOMETHING'} after ${elapsed(since)}`);
  if (!ok) {
    console.error(output.split('\n').filter(tells).slice(0, 12).join('\n'));
    console.error(artifact ? `The input: ${path.relative(ROOT, artifact)}` : output.split('\n').slice(-20).join('\n'));
  }
  return {
    target,
    executions: number(/^stat::number_of_executed_units:\s*(\d+)/gm),
    speed: number(/^stat::average_exec_per_sec:\s*(\d+)/gm),
    coverage: number(/\bcov: (\d+)/g),
    findings: ok ? '0' : path.relative(ROOT, artifact ?? 'see above'),
    ok,
  };
}

/** The lines around a panic or a sanitizer's verdict, not libFuzzer's progress. */
function tells(line) {
  return line.trim() !== '' && !/^#\d|^INFO|^stat::|^\s+#\d|NEW_FUNC/.test(line);
}

/** Runs `work` on each item, so many at once; the results in the items' order. */
async function inParallel(items, jobs, work) {
  const results = [];
  const left = items.entries();
  const worker = async () => {
    for (const [index, item] of left) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(jobs, items.length) }, worker));
  return results;
}

function table(rows) {
  const columns = ['target', 'executions', 'exec/s', 'coverage', 'findings'];
  const cells = [
    columns,
    ...rows.map(({ target, executions, speed, coverage, findings }) => [target, executions, speed, coverage, findings]),
  ];
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const aligned = (cell, column) => (column === 0 || column === 4 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
  return cells.map((row) => row.map(aligned).join('  ').trimEnd()).join('\n');
}

async function fuzzAll(args) {
  if (args.includes('--help') || args.includes('-h')) return console.log(HELP);
  const { seconds, jobs, sanitizer: wanted, targets } = parseOptions(args);
  await checkTools();
  const sanitizer = await build(wanted);
  const program = await programs();
  const absent = targets.find((target) => !existsSync(program(target)));
  if (absent !== undefined) throw new Stop(`cargo-fuzz has built no ${absent}: is it in ${FUZZ}/Cargo.toml?`);
  const rows = await inParallel(targets, jobs, (target) => fuzz(target, program(target), seconds));
  console.log(`\n${table(rows)}\n\n${seconds} s each, ${jobs} at once, sanitizer: ${sanitizer}`);
  const found = rows.filter(({ ok }) => !ok);
  if (found.length > 0) {
    throw new Stop(
      `${found.map(({ target }) => target).join(', ')}: something was found. Once it is mended, keep the input as a seed in ` +
        `${FUZZ}/seeds/<target>.`,
    );
  }
}

stopOnSignals();
await main(() => fuzzAll(process.argv.slice(2)));
