// One soak: starts the world, lets the users live in it for a while, judges what they were told, and stops everything.

import { setTimeout as wait } from 'node:timers/promises';

import { Ledger } from './ledger.mjs';
import { Oracle } from './oracle.mjs';
import { RAISED, USUAL } from './plan.mjs';
import { FAULT_KINDS, summary } from './report.mjs';
import { User, makeAccounts } from './users.mjs';
import { World } from './world.mjs';

const JUDGE_EVERY_MS = 500;
/** A fault is known when it is over, which may be after the answer that did not wait for it. */
const KNOWN_AFTER_MS = 3000;
/** After its time is over every request still under way is answered or broken within this. */
const LAST_ANSWERS_MS = 60_000;
/** With `everyKind`, how much longer it goes on at a time, and at most in all, in lengths of the run. */
const LONGER_MS = 5000;
const AT_MOST = 4;
/** Older faults explain nothing. */
const FORGET_MS = 120_000;

/**
 * `everyKind`: goes on until every kind of fault has come, within reason.
 * `wrong` breaks the gateway, to show that the oracle sees it: 'open' serves pages to everybody, 'forgets' loses records.
 * `signal` stops early, and then there is no result. Gives what report.mjs makes of it.
 */
export async function soak({ users: count, seconds, seed, rotation, raised = false, everyKind = false, thinkMs = 10_000, wrong, signal, onProgress = () => undefined }) {
  const options = { seed, rotation, wrong, ...(raised ? RAISED : USUAL) };
  const ledger = new Ledger();
  const world = new World(options, ledger);
  const oracle = new Oracle({ ledger, world, rotation });
  const accounts = makeAccounts(count);
  const began = Date.now();
  try {
    await world.start(structuredClone(accounts));
    const life = { until: Date.now() + seconds * 1000, latest: Date.now() + AT_MOST * seconds * 1000 };
    const putOff = () => {
      const missing = everyKind && FAULT_KINDS.some((kind) => !ledger.counts.has(kind));
      if (missing && life.until - Date.now() < LONGER_MS) life.until = Math.min(life.until + LONGER_MS, life.latest);
    };
    const over = new AbortController();
    const stop = signal ? AbortSignal.any([over.signal, signal]) : over.signal;
    const lives = Object.values(accounts)
      .map((account) => new User({ account, world, oracle, seed, life, thinkMs }).live());
    const happening = world.happen(stop);
    const judging = judge({ world, ledger, oracle, stop, onProgress, putOff });
    // The other two end before the users only by failing, or when all is to stop.
    await bounded(Promise.race([Promise.all(lives), happening, judging]), life.latest + LAST_ANSWERS_MS);
    if (signal?.aborted) return undefined;
    over.abort();
    await Promise.all([happening, judging]);
    await wait(KNOWN_AFTER_MS);
    await world.fetchNotes();
    await oracle.judge(Infinity);
    return summary({ ...options, users: count, seconds, raised, ledger, oracle, leaks: judging.leaks, tookMs: Date.now() - began });
  } finally {
    await world.close();
  }
}

/** Judges what has been answered, again and again until it is over. */
function judge({ world, ledger, oracle, stop, onProgress, putOff }) {
  const leaks = [];
  const judging = (async () => {
    while (!stop.aborted) {
      await wait(JUDGE_EVERY_MS, undefined, { signal: stop }).catch(() => undefined);
      const now = Date.now();
      await world.fetchNotes();
      await oracle.judge(now - KNOWN_AFTER_MS);
      leaks.push(...findLeaks(world.takeLogs(), ledger.secrets));
      ledger.forgetBefore(now - FORGET_MS);
      putOff();
      onProgress({ judged: oracle.judged, wrong: oracle.wrong.length, lost: oracle.lost.size });
    }
  })();
  return Object.assign(judging, { leaks });
}

/** Log lines that hold a token, a code, a cookie or an e-mail address. */
export function findLeaks(lines, secrets) {
  return lines.filter((line) => /@example\.com|eyJ[\w-]{20}/.test(line) || line.match(/[\w.-]{20,}/g)?.some((word) => secrets.has(word)));
}

async function bounded(work, until) {
  const late = new AbortController();
  const limit = wait(until - Date.now(), undefined, { signal: late.signal }).then(() => {
    throw new Error('some users have had no answer long after the end');
  });
  await Promise.race([work, limit]).finally(() => late.abort());
  limit.catch(() => undefined);
}
