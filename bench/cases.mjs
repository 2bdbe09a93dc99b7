// What is measured: a page load in each size, mode and kind of answer, and the bearer check with old and new tokens.
import { SIZES } from './origin.mjs';

/** How often a case is asked in one round, by the length of the answer. */
const FULL_COUNTS = { '1 kB': 5000, '50 kB': 3000, '1 MB': 300, bearer: 3000 };
const QUICK_COUNTS = { '1 kB': 800, '50 kB': 500, '1 MB': 60, bearer: 500 };
const TINY_COUNTS = { '1 kB': 100, '50 kB': 50, '1 MB': 10, bearer: 100 };

const ANSWERS = {
  private: 'answer already private',
  public: 'one header must change',
};

const TOKENS = { seen: 'token seen before', new: 'a new token each time' };

/** All cases; `base` is the contestant that the others are compared with. */
export const CASES = [
  ...['embedded', 'fronted'].flatMap((mode) => Object.keys(ANSWERS).flatMap((answer) => Object.keys(SIZES).map((size) => site(mode, answer, size)))),
  ...Object.keys(TOKENS).map(bearer),
];

function site(mode, answer, size) {
  return {
    name: `${mode}-${answer}-${size.replace(' ', '')}`,
    title: `Signed-in GET, ${size}, ${mode}, ${ANSWERS[answer]}`,
    kind: 'site', mode, answer, size,
    path: `/${answer}/${SIZES[size]}`,
    length: SIZES[size],
    base: 'bare',
    contestants: ['bare', 'edgegate', 'hono'],
  };
}

function bearer(tokens) {
  return {
    name: `bearer-${tokens}`,
    title: `Bearer check, ${TOKENS[tokens]}`,
    kind: 'bearer', mode: 'embedded', tokens,
    size: 'bearer',
    base: 'jose',
    contestants: ['jose', 'edgegate', 'aws-jwt-verify'],
  };
}

/** The length of a run: rounds, requests of a case and round, and what warms up. */
export const LENGTHS = {
  full: { rounds: 7, counts: FULL_COUNTS, warmUp: 4000, coldStarts: 20, sessions: 10_000, memoryRequests: 100_000 },
  quick: { rounds: 2, counts: QUICK_COUNTS, warmUp: 800, coldStarts: 6, sessions: 2000, memoryRequests: 30_000 },
  tiny: { rounds: 2, counts: TINY_COUNTS, warmUp: 50, coldStarts: 2, sessions: 40, memoryRequests: 800 },
};

/** Parts of a run beside the cases. */
export const PARTS = { 'cold-start': 'Cold start', size: 'Size', memory: 'Memory' };
