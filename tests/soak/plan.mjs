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

/** One operation in so many fails, by place; the kinds of a place share that equally. */
export const FAULTS = {
  token: { share: 0.08, kinds: ['429', '500', '503', 'html', 'html200', 'truncated', 'slow', 'late', 'lost', 'unreachable'] },
  keys: { share: 0.3, kinds: ['500', 'html', 'malformed', 'slow', 'unreachable'] },
  revoke: { share: 0.15, kinds: ['500', 'slow', 'lost', 'unreachable'] },
  get: { share: 0.03, kinds: ['error', 'slow', 'hang'] },
  put: { share: 0.05, kinds: ['429', 'error', 'written, error', 'slow', 'hang'] },
  delete: { share: 0.1, kinds: ['error', 'slow'] },
  origin: { share: 0.03, kinds: ['500', 'refused', 'reset', 'slow', 'truncated'] },
};

/** Milliseconds between such events, on average. */
export const EVENTS = { outageMs: 40_000, deathMs: 15_000, newKeysMs: 60_000 };
export const OUTAGE_MS = [5000, 25_000];

/** For a run of half a minute that meets every kind. */
export const RAISED = {
  faults: Object.fromEntries(Object.entries(FAULTS).map(([place, { share, kinds }]) => [place, { share: Math.min(0.5, share * 4), kinds }])),
  events: { outageMs: 9000, deathMs: 4000, newKeysMs: 60_000 },
  outageMs: [2000, 4000],
};

export const LOCATIONS = ['east', 'west'];
