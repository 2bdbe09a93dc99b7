// `npm run soak`: hundreds of simulated users before two locations of the gateway, with faults at Cognito, KV and the origin, and what
// came of it as tables.

import { writeFileSync } from 'node:fs';
import process from 'node:process';
import util from 'node:util';

import { build } from '../../dev/build.mjs';
import { Stop, ending, main } from '../../dev/plain.mjs';

const DEFAULT_SEED = '20261124';
const ROTATIONS = ['off', '0', '10'];

const HELP = `npm run soak: simulated users before two locations of the gateway in the real runtime, with faults everywhere.

Usage: npm run soak [-- options]

  --users N            how many users (300)
  --minutes N          for how long; parts are fine (3)
  --seed TEXT          what chance is made of (${DEFAULT_SEED})
  --rotation WHICH     Cognito's refresh token rotation: off, or the seconds of its grace, ${ROTATIONS.slice(1).join(' or ')} (off)
  --think MS           milliseconds between what a user does, on average (10000)
  --raised             faults four times as often
  --json FILE          write everything that was counted there
  --help               show this

Ends with 1 after a wrong answer, a session lost without cause or a secret in the log.
`;

function parseOptions(args) {
  const options = {
    users: { type: 'string', default: '300' },
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: DEFAULT_SEED },
    rotation: { type: 'string', default: 'off' },
    think: { type: 'string', default: '10000' },
    raised: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  };
  const hint = '`npm run soak -- --help` lists the options.';
  let values;
  try {
    ({ values } = util.parseArgs({ args, options }));
  } catch (error) {
    const [sentence] = error.message.split(/\.\s|\n/);
    throw new Stop(`${sentence.replace(/\.$/, '')}: ${hint}`);
  }
  if (!/^[1-9]\d{0,3}$/.test(values.users)) throw new Stop(`--users takes a whole number from 1 to 9999: ${hint}`);
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= 600)) throw new Stop(`--minutes takes a number up to 600: ${hint}`);
  if (!/^[1-9]\d{0,5}$/.test(values.think)) throw new Stop(`--think takes a whole number from 1: ${hint}`);
  if (!ROTATIONS.includes(values.rotation)) throw new Stop(`--rotation takes ${ROTATIONS.join(', ')}: ${hint}`);
  return { ...values, users: Number(values.users), thinkMs: Number(values.think), seconds: Math.round(minutes * 60) };
}

async function run(args) {
  const options = parseOptions(args);
  if (options.help) return console.log(HELP);
  await build();
  const { soak } = await import('./run.mjs');
  const { isGood, tables } = await import('./report.mjs');
  const { users, seconds, seed, rotation } = options;
  console.log(`${users} users for ${seconds} s, rotation ${rotation}, seed ${seed} …`);
  const result = await soak({ ...options, signal: stopping.signal, onProgress: progress() });
  // Users may still be waiting for answers that nobody will give.
  if (result === undefined) return process.exit();
  for (const [name, list] of [['Wrong answer', result.wrongAnswers], ['Lost', result.lostSessions]]) {
    for (const each of list.slice(0, 20)) console.error(`\n${name}: ${util.inspect(each, { depth: 6, breakLength: 130 })}`);
  }
  console.log(`\n${tables(result)}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  if (isGood(result)) return undefined;
  const { wrongAnswers, lostSessions, leaks } = result;
  throw new Stop(`${wrongAnswers.length} wrong answers, ${lostSessions.length} sessions lost without cause, ${leaks} log lines with a secret.`);
}

/** A line now and then. */
function progress() {
  let last = Date.now();
  return ({ judged, wrong, lost }) => {
    if (Date.now() - last < 15_000) return;
    last = Date.now();
    console.log(`  … ${judged} answers judged, ${wrong} wrong, ${lost} sessions lost without cause`);
  };
}

const stopping = new AbortController();
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
  process.on(signal, () => {
    if (ending.requested) return;
    ending.requested = true;
    process.exitCode = code;
    stopping.abort();
  });
}

await main(() => run(process.argv.slice(2)));
