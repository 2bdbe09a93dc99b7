// What Edgegate promises, held against what was measured. A target that is missed is said so.
import { FLAT } from './memory.mjs';

const KILOBYTE = 1000;

/** The targets by CPU: which cases, against whom, at most how much. Each case has to hold by its median. */
const CPU_TARGETS = [
  { title: 'Signed-in GET, already private: CPU against the bare pass-through', answer: 'private', against: 'bare', atMost: 1.5 },
  { title: 'Signed-in GET, one header changes: CPU against the bare pass-through', answer: 'public', against: 'bare', atMost: 1.5 },
  { title: 'Signed-in GET, already private: CPU against @hono/oidc-auth', answer: 'private', against: 'hono', atMost: 1 },
  { title: 'Signed-in GET, one header changes: CPU against @hono/oidc-auth', answer: 'public', against: 'hono', atMost: 1 },
  { title: 'Bearer check, token seen before: CPU against jose', tokens: 'seen', against: 'jose', atMost: 1.1 },
  { title: 'Bearer check, new tokens: CPU against jose', tokens: 'new', against: 'jose', atMost: 2 },
];

const COLD_START_AT_MOST = 1.5;
/** Of wasm and JavaScript, in bytes. Not a target: the platform has no limit near it, but a leap should be noticed. */
const GZIP_ALARM = 500 * KILOBYTE;

/** `[{ title, atMost, values: [{ of, value }], met }]` for what was measured; parts that were left out have none. */
export function checkTargets({ cases, coldStart, size, memory }) {
  const checked = CPU_TARGETS.map((target) => ({ title: target.title, atMost: target.atMost, values: cpuValues(target, cases) }));
  if (coldStart) checked.push(one('Cold start against the bare Worker', COLD_START_AT_MOST, 'time to the first 200', coldStart.ratio.median));
  if (size) checked.push(one('Size alarm: wasm and JavaScript, gzipped, in kB', GZIP_ALARM / KILOBYTE, 'build/', size.at(-1).gzip / KILOBYTE));
  if (memory) checked.push(one('Memory: last third of the samples against the middle third', FLAT, 'workerd', memory.growth));
  return checked
    .filter(({ values }) => values.length > 0)
    .map((target) => ({ ...target, met: target.values.every(({ value }) => value <= target.atMost) }));
}

function one(title, atMost, of, value) {
  return { title, atMost, values: [{ of, value }] };
}

function cpuValues({ answer, tokens, against }, cases) {
  return cases
    .filter((each) => each.answer === answer && each.tokens === tokens)
    .map(({ name, edgegateAgainst }) => ({ of: name, value: edgegateAgainst[against].cpuRatio.median }));
}
