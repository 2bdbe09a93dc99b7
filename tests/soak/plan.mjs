// What the soak is made of: lives and lags, and how often each kind of fault comes. The report prints it.

/** Seconds. Short lives, so that minutes hold many of them; each at least what the gateway takes. */
export const LIVES = {
  accessSecs: 20,
  sessionSecs: 150,
  idleSecs: 60,
  graceSecs: 15,
  /** How long a location may go on reading what it has read of KV. Less than Cognito's longer rotation grace. */
  kvLagSecs: 4,
};

/** What the gateway allows itself (src/), which bounds when an answer may come and what a fault may explain. */
export const GATEWAY = {
  tokenTimeoutMs: 6000,
  kvTimeoutMs: 8000,
  originTimeoutMs: 10_000,
  /** How long an isolate serves a record that it has read. */
  recordSecs: 30,
  /** A passing failure is remembered for 10 to 13 s. */
  failureMs: 14_000,
  /** A failed look at Cognito's keys is remembered for 10 s, a session's failure for that is remembered on top. */
  keysFailureMs: 11_000,
};

/**
 * How many operations of a place fail, and the kinds, as often as they stand in the list: those that take long are fewer, since a
 * user who waits does nothing else.
 */
export const FAULTS = {
  token: {
    share: 0.1,
    kinds: twice(['429', '500', '503', 'html', 'html200', 'truncated', 'lost', 'unreachable', 'late']).concat('slow'),
  },
  keys: { share: 0.3, kinds: ['500', 'html', 'malformed', 'unreachable', 'slow'] },
  revoke: { share: 0.15, kinds: ['500', 'slow', 'lost', 'unreachable'] },
  get: { share: 0.03, kinds: [...twice(['error', 'slow']), 'hang'] },
  put: { share: 0.05, kinds: [...twice(['429', 'error', 'written, error', 'slow']), 'hang'] },
  delete: { share: 0.1, kinds: ['error', 'slow'] },
  origin: { share: 0.03, kinds: [...twice(['500', 'refused', 'reset', 'truncated']), 'slow'] },
};

function twice(kinds) {
  return [...kinds, ...kinds];
}

/** Milliseconds between such events, on average. */
const EVENTS = { outageMs: 40_000, deathMs: 15_000, newKeysMs: 60_000 };

/** As a run is by default. `seenHere`: how many writes their own location sees at once. */
export const USUAL = { faults: FAULTS, events: EVENTS, outageMs: [5000, 25_000], seenHere: 0.9 };

/** Where operations are rare, so many of them fail until every kind has come. */
const FIRST = { keys: 0.6, revoke: 0.7, get: 0.2, put: 0.3, delete: 0.7 };

/** For a run of half a minute that meets every kind. */
export const RAISED = {
  faults: Object.fromEntries(Object.entries(FAULTS).map(([place, { share, kinds }]) => [
    place, { share: Math.min(0.3, share * 3), first: FIRST[place] ?? share * 3, kinds },
  ])),
  events: { outageMs: 9000, deathMs: 4000, newKeysMs: 25_000 },
  outageMs: [1000, 2500],
  seenHere: 0.5,
};

export const LOCATIONS = ['east', 'west'];
