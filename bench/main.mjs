// `npm run bench`: Edgegate beside a bare pass-through and what else does its work, in turns, on this machine.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { OUTPUTS } from '../dev/build-stamp.mjs';
import { build } from '../dev/build.mjs';
import { ROOT, Stop, elapsed, main } from '../dev/plain.mjs';
import { stopOnSignals } from '../dev/processes.mjs';
import { measure as measureSize } from '../dev/size-report.mjs';
import { CASES, LENGTHS, PARTS } from './cases.mjs';
import { chart } from './chart.mjs';
import { newPool } from './cognito.mjs';
import { measureColdStart } from './cold-start.mjs';
import { contestants, startAll, writeAll } from './fleet.mjs';
import { checkSamePage, prepare, rotated, turn, warmUp } from './measure.mjs';
import { measureMemory } from './memory.mjs';
import { caseTable, coldStartTable, memoryTable, sizesTable, targetsTable } from './report.mjs';
import { ratioSpread, spread } from './statistics.mjs';
import { checkTargets } from './targets.mjs';
import { checkMachine, workerdVersion } from './workerd.mjs';
import { startWorld } from './world.mjs';

const HELP = `npm run bench: side-by-side benchmarks of the release Worker in workerd.

Usage: npm run bench [-- options]

  --quick            everything in a minute and a half; the full run takes some ten minutes
  --rounds N         how often each contestant has its turn
  --only NAME[,NAME] only these; a name that ends with * takes all that begin so
  --list             the names
  --json FILE        also writes all figures there
  --svg FILE         also draws a chart there
  --check            exit code 1 when a target is not met
  --tiny             a few requests only, to see that everything works; the figures mean nothing
  --help             show this
`;

const OPTIONS = {
  quick: { type: 'boolean' },
  rounds: { type: 'string' },
  only: { type: 'string' },
  list: { type: 'boolean' },
  json: { type: 'string' },
  svg: { type: 'string' },
  check: { type: 'boolean' },
  tiny: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

const MAX_ROUNDS = 1000;

function parseOptions(args) {
  let options;
  try {
    options = util.parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    const [sentence] = error.message.split(/\.\s|\n/);
    throw new Stop(`${sentence.replace(/\.$/, '')}: \`npm run bench -- --help\` lists the options.`);
  }
  const { rounds } = options;
  if (rounds !== undefined && (!/^\d+$/.test(rounds) || rounds < 1 || rounds > MAX_ROUNDS)) {
    throw new Stop(`--rounds wants a whole number from 1 to ${MAX_ROUNDS}, not "${rounds}".`);
  }
  return options;
}

/** The names of what is to be measured. */
function chosen(only) {
  const names = [...CASES.map(({ name }) => name), ...Object.keys(PARTS)];
  if (only === undefined) return new Set(names);
  const taken = only.split(',').map((each) => each.trim()).flatMap((each) => {
    const found = names.filter((name) => (each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : name === each));
    if (found.length === 0) throw new Stop(`There is no benchmark "${each}": \`npm run bench -- --list\` lists them.`);
    return found;
  });
  return new Set(taken);
}

function list() {
  const all = [...CASES.map(({ name, title }) => [name, title]), ...Object.entries(PARTS)];
  return all.map(([name, title]) => `${name.padEnd(24)} ${title}`).join('\n');
}

/** So that nobody finds out at the end. */
function checkFiles({ json, svg }, names) {
  for (const file of [json, svg].filter((each) => each !== undefined)) {
    if (!existsSync(path.dirname(path.resolve(file)))) throw new Stop(`There is no folder for ${file}: make it first.`);
  }
  if (svg !== undefined && !CASES.some(({ name }) => names.has(name))) {
    throw new Stop('--svg draws requests, and none of the chosen benchmarks has any.');
  }
}

/** Runs everything that was chosen and returns the results, telling them as they come. */
async function bench({ length, names }) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'edgegate-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true })); // also after a Ctrl-C
  const pool = newPool();
  const world = await startWorld(pool);
  const cases = CASES.filter(({ name }) => names.has(name));
  const results = { cases: [] };
  let fleet = {};
  try {
    const all = await contestants(pool.jwks);
    writeAll(folder, all, world);
    if (names.has('size')) {
      results.size = measureSize(path.join(ROOT, 'build'), OUTPUTS);
      console.log(`\n${sizesTable(results.size)}`);
    }
    if (names.has('cold-start')) {
      results.coldStart = await measureColdStart(folder, length.coldStarts);
      console.log(`\n${coldStartTable(results.coldStart)}`);
    }
    const needed = new Set(cases.flatMap((each) => each.contestants.map((contestant) => `${contestant} ${each.mode}`)));
    fleet = await startAll(folder, [...needed]);
    results.cases = await measureCases(cases, fleet, pool, length);
    for (const each of results.cases) console.log(`\n${caseTable(each)}`);
    if (names.has('memory')) {
      const alone = await startAll(folder, ['edgegate embedded']);
      fleet.memory = alone['edgegate embedded'];
      results.memory = await measureMemory(fleet.memory, length);
      console.log(`\n${memoryTable(results.memory)}`);
    }
    return results;
  } finally {
    await Promise.all(Object.values(fleet).map((one) => one.stop()));
    world.stop();
  }
}

async function measureCases(cases, fleet, pool, { rounds, counts, warmUp: warm }) {
  if (cases.length === 0) return [];
  const prepared = [];
  for (const each of cases) {
    const ready = await prepare(each, fleet, pool);
    if (each.kind === 'site') checkSamePage(ready);
    prepared.push(ready);
  }
  for (const ready of prepared) await warmUp(ready, warm / 2, pool);
  const results = cases.map((each) => ({ ...each, requests: counts[each.size], contestants: emptyFigures(each) }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, ready] of prepared.entries()) {
      for (const one of rotated(ready, round)) {
        const figures = await turn(one, counts[cases[index].size], pool);
        for (const [key, value] of Object.entries(figures)) results[index].contestants[one.contestant][key].push(value);
      }
    }
    console.log(`${round === 0 ? '\n' : ''}Round ${round + 1} of ${rounds} is done.`);
  }
  return results.map(withSummaries);
}

function emptyFigures({ contestants: names }) {
  return Object.fromEntries(names.map((name) => [name, { cpuUs: [], rps: [], lostThreads: [] }]));
}

/** With the spread of each figure, of its ratios to the base's within the same round, and of Edgegate's to each other one's. */
function withSummaries(each) {
  const { edgegate, ...others } = each.contestants;
  const base = each.contestants[each.base];
  for (const figures of Object.values(each.contestants)) {
    figures.summary = { cpuUs: spread(figures.cpuUs), rps: spread(figures.rps), ...ratios(figures, base) };
  }
  const against = Object.entries(others).map(([name, figures]) => [name, ratios(edgegate, figures)]);
  return { ...each, edgegateAgainst: Object.fromEntries(against) };
}

function ratios(figures, base) {
  return { cpuRatio: ratioSpread(figures.cpuUs, base.cpuUs), rpsRatio: ratioSpread(figures.rps, base.rps) };
}

function machine() {
  const [cpu] = os.cpus();
  return { cpu: cpu?.model, cores: os.cpus().length, load: os.loadavg()[0], kernel: os.release(), node: process.versions.node };
}

async function run(args) {
  const options = parseOptions(args);
  if (options.help) return console.log(HELP);
  if (options.list) return console.log(list());
  const names = chosen(options.only);
  checkMachine();
  checkFiles(options, names);
  const kind = options.tiny ? 'tiny' : options.quick ? 'quick' : 'full';
  const length = { ...LENGTHS[kind], ...(options.rounds && { rounds: Number(options.rounds) }) };
  await build();
  const since = Date.now();
  const about = { when: new Date().toISOString(), kind, rounds: length.rounds, workerd: workerdVersion, machine: machine() };
  console.log(`workerd ${about.workerd}, ${about.machine.cores} cores, load before ${about.machine.load.toFixed(2)}, ${length.rounds} rounds`);
  const results = await bench({ length, names });
  const targets = checkTargets(results);
  if (targets.length > 0) console.log(`\n${targetsTable(targets)}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ ...about, ...results, targets }, null, 2)}\n`);
  if (options.svg) writeFileSync(options.svg, chart({ ...about, ...results }));
  console.log(`\nDone in ${elapsed(since)}.`);
  if (options.check && targets.some(({ met }) => !met)) process.exitCode = 1;
}

stopOnSignals();
await main(() => run(process.argv.slice(2)));
