// Cold start: from the spawn of workerd to the first answer with status 200. workerd says when it listens, so nobody has to
// poll; that includes reading and compiling the modules.
import { performance } from 'node:perf_hooks';
import { Stop } from '../dev/plain.mjs';
import { folderOf } from './fleet.mjs';
import { ask, requestBytes } from './load.mjs';
import { HOST, pageLoad } from './requests.mjs';
import { ratioSpread, spread } from './statistics.mjs';
import { cpuBetween, cpuOf, startWorkerd } from './workerd.mjs';

/** Edgegate's first answer with status 200 to a stranger is `/healthz`, which needs the whole configuration parsed. */
const RUNS = {
  bare: { process: 'bare embedded', request: pageLoad('/private/1000') },
  edgegate: { process: 'edgegate embedded', request: requestBytes('/healthz', { host: HOST, 'x-forwarded-proto': 'https' }) },
};

/** Interleaved, after one run each that is not counted: the first reads the binary from the disk. */
export async function measureColdStart(folder, count) {
  const times = { bare: [], edgegate: [] };
  for (let run = -1; run < count; run++) {
    const names = Object.keys(RUNS);
    if (run % 2 === 0) names.reverse();
    for (const name of names) {
      const time = await coldStart(folder, name);
      if (run >= 0) times[name].push(time);
    }
  }
  const of = (name, key) => times[name].map((time) => time[key]);
  const ratio = (key) => ratioSpread(of('edgegate', key), of('bare', key));
  const summary = (name) => ({
    totalMs: spread(of(name, 'totalMs')), listeningMs: spread(of(name, 'listeningMs')),
    answerMs: spread(of(name, 'answerMs')), cpuMs: spread(of(name, 'cpuMs')),
  });
  return {
    bare: summary('bare'), edgegate: summary('edgegate'),
    ratio: ratio('totalMs'), cpuRatio: ratio('cpuMs'),
    runs: times,
  };
}

async function coldStart(folder, name) {
  const { process, request } = RUNS[name];
  const since = performance.now();
  const { pid, port, stop } = await startWorkerd(folderOf(folder, process), name);
  const listening = performance.now();
  const { status } = await ask(port, request);
  const answered = performance.now();
  const { ns } = cpuBetween(new Map(), cpuOf(pid));
  await stop();
  if (status !== 200) throw new Stop(`${name} answered ${status} after a cold start.`);
  return { totalMs: answered - since, listeningMs: listening - since, answerMs: answered - listening, cpuMs: ns / 1e6 };
}
