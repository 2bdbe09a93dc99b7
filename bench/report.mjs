// The results as text: a table for the cases, then the other parts, then the targets.
import { sizeTable } from '../dev/size-report.mjs';
import { TITLES } from './fleet.mjs';

const NAME_WIDTH = 18;

/** The title of a case and its table: CPU and requests a second of each contestant, and their ratios to the base's. */
export function caseTable({ title, base, contestants, edgegateAgainst }) {
  const head = row('', 'CPU/request', `of ${base}`, 'min..max', 'requests/s', `of ${base}`, 'min..max');
  const rows = Object.entries(contestants).map(([name, { summary: { cpuUs, cpuRatio, rps, rpsRatio } }]) =>
    row(TITLES[name], `${cpuUs.median.toFixed(1)} µs`, times(cpuRatio.median), range(cpuRatio), rps.median.toFixed(0), times(rpsRatio.median), range(rpsRatio)));
  const others = Object.entries(edgegateAgainst).filter(([name]) => name !== base);
  const also = others.map(([name, { cpuRatio }]) => `  Edgegate's CPU is ${times(cpuRatio.median)} (${range(cpuRatio)}) of ${TITLES[name]}'s.`);
  const lost = Object.values(contestants).some(({ lostThreads }) => lostThreads.some((count) => count > 0));
  const note = lost ? ['  A thread of workerd ended while it was measured: its last CPU time is missing.'] : [];
  return [title, head, ...rows, ...also, ...note].join('\n');
}

function row(name, ...cells) {
  return `  ${name.padEnd(NAME_WIDTH)}${cells.map((cell) => cell.padStart(13)).join('')}`;
}

function times(value) {
  return `${value.toFixed(2)}×`;
}

function range({ min, max }) {
  return `${min.toFixed(2)}..${max.toFixed(2)}`;
}

export function coldStartTable({ bare, edgegate, ratio, cpuRatio }) {
  const ms = ({ median, min, max }) => `${median.toFixed(1)} ms (${min.toFixed(1)}..${max.toFixed(1)})`;
  const line = (name, { totalMs, listeningMs, answerMs, cpuMs }) =>
    `  ${name.padEnd(NAME_WIDTH)}${ms(totalMs)}; until it listens ${listeningMs.median.toFixed(1)} ms, first answer ${answerMs.median.toFixed(1)} ms, CPU ${cpuMs.median.toFixed(0)} ms`;
  return [
    'Cold start: spawn of workerd to the first 200',
    line(TITLES.bare, bare),
    line(TITLES.edgegate, edgegate),
    `  ratio             ${times(ratio.median)} (${range(ratio)}), of CPU ${times(cpuRatio.median)}`,
  ].join('\n');
}

export function sizesTable(size) {
  return ['Size', sizeTable(size)].join('\n');
}

export function memoryTable({ sessions, requests, started, signedIn, samples, thirds, growth }) {
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  return [
    `Memory: RAM of Edgegate's workerd over ${requests} requests of ${sessions} sessions`,
    `  before ${mb(started)} MB, after the sign-ins ${mb(signedIn)} MB`,
    `  thirds of the samples: ${thirds.map(mb).join(', ')} MB; the last is ${growth.toFixed(2)} of the middle one`,
    `  samples: ${samples.map(mb).join(' ')}`,
  ].join('\n');
}

/** One line a target; below a missed one the values that are too high. */
export function targetsTable(targets) {
  const lines = targets.flatMap(({ title, atMost, values, met }) => {
    const worst = values.reduce((a, b) => (b.value > a.value ? b : a));
    const missed = values.filter(({ value }) => value > atMost);
    return [
      `  ${met ? 'met    ' : 'NOT MET'}  ${title}: at most ${atMost}, ${values.length > 1 ? 'worst ' : ''}${worst.value.toFixed(3)} (${worst.of})`,
      ...(values.length > 1 ? missed.map(({ of, value }) => `             ${value.toFixed(3)}  ${of}`) : []),
    ];
  });
  return ['Targets', ...lines].join('\n');
}
