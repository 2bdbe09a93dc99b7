// What a soak came to: as an object for `--json` and tests, and as tables for people.

import { FAULTS, LIVES } from './plan.mjs';
import { LIMITS } from './oracle.mjs';

/** Every kind of fault there is, by the name under which it is counted. */
export const FAULT_KINDS = [
  ...Object.entries({ token: 'token', keys: 'keys', revoke: 'revoke', get: 'KV get', put: 'KV put', delete: 'KV delete', origin: 'origin' })
    .flatMap(([place, name]) => [...new Set(FAULTS[place].kinds)].map((kind) => `${name}: ${kind}`)),
  'KV get: stale', 'outage: unreachable', 'outage: 503', 'isolate: dies', 'keys: new',
];

export function summary({ users, seconds, seed, rotation, raised, ledger, oracle, leaks, tookMs }) {
  const { asked, hit } = ledger.refreshes;
  const needed = ledger.families.reduce((sum, { needed: each }) => sum + each.size, 0);
  const sizes = (map) => Object.fromEntries([...map].map(([name, sessions]) => [name, sessions.size]).sort());
  return {
    users, seconds, seed, rotation, raised,
    tookSecs: Math.round(tookMs / 1000),
    requests: oracle.judged,
    signIns: ledger.families.length,
    faults: Object.fromEntries([...ledger.counts].sort()),
    wrongAnswers: oracle.wrong,
    lostSessions: [...oracle.lost.values()],
    limits: { ...Object.fromEntries(Object.values(LIMITS).map((name) => [name, 0])), ...sizes(oracle.limits) },
    ends: sizes(oracle.ends),
    leaks: leaks.length,
    refreshes: { asked, hitByFaults: hit, needed, ratio: ratio(asked, needed), ratioUndisturbed: ratio(asked - hit, needed) },
    routes: [...oracle.durations].sort().map(([route, durations]) => ({
      route, requests: durations.length, ...percentiles(durations), undisturbed: percentiles(durations.filter(({ disturbed }) => !disturbed)),
    })),
    statuses: Object.fromEntries([...oracle.statuses].sort()),
  };
}

function ratio(part, whole) {
  return whole === 0 ? null : Math.round((100 * part) / whole) / 100;
}

function percentiles(durations) {
  const sorted = durations.map(({ ms }) => ms).sort((one, other) => one - other);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99) };
}

/** Whether it went as it must. */
export function isGood({ wrongAnswers, lostSessions, leaks }) {
  return wrongAnswers.length + lostSessions.length + leaks === 0;
}

export function tables(result) {
  const { refreshes } = result;
  const totals = [
    ['users', result.users], ['sign-ins', result.signIns], ['requests', result.requests],
    ['faults', Object.values(result.faults).reduce((sum, count) => sum + count, 0)],
    ['wrong answers', result.wrongAnswers.length], ['sessions lost without cause', result.lostSessions.length],
    ['log lines with a secret', result.leaks],
    ...Object.entries(result.limits).map(([name, count]) => [`stated limit, sessions ${name}`, count]),
    ...Object.entries(result.ends).map(([name, count]) => [`sessions ${name}`, count]),
    ['refreshes needed', refreshes.needed], ['refresh requests at Cognito', refreshes.asked], ['of these hit by a fault', refreshes.hitByFaults],
    ['tokens requested per refresh needed', refreshes.ratio], ['the same without those hit by a fault', refreshes.ratioUndisturbed],
  ];
  const routes = result.routes.map(({ route, requests, p50, p99, undisturbed }) => [route, requests, p50, p99, undisturbed.count, undisturbed.p50, undisturbed.p99]);
  return [
    `Rotation ${result.rotation}, seed ${result.seed}, ${result.seconds} s (${result.tookSecs} s in all); access tokens of ${LIVES.accessSecs} s`,
    table(['', 'count'], totals),
    table(['fault', 'count'], Object.entries(result.faults)),
    table(['route', 'requests', 'p50 ms', 'p99 ms', 'undisturbed', 'p50 ms', 'p99 ms'], routes),
  ].join('\n\n');
}

/** In Markdown, which is also plain to read. */
function table(columns, rows) {
  const cells = [columns, ...rows].map((row) => row.map((cell) => String(cell ?? '–')));
  const widths = columns.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}
