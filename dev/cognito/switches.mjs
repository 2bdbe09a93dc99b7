// What can be made to go wrong, or set otherwise than a fresh Cognito app client has it. One row a switch; the table is
// what --help, the control page and the README show, and what `set` checks values against.

const ALGORITHMS = ['RS256', 'none', 'HS256', 'ES256'];

/** kind: 'boolean', 'number' (whole, from `least` up), 'text', 'object', or the list of allowed values. null means the default. */
export const SWITCHES = [
  // The app client's own settings.
  { name: 'rotation', default: false, kind: 'boolean', says: 'refresh token rotation: each refresh answers with a new refresh token' },
  { name: 'rotationGrace', default: 0, kind: 'number', least: 0, says: 'seconds (0-60) that a rotated refresh token goes on working' },
  { name: 'familyRevoke', default: false, kind: 'boolean', says: 'reuse of a rotated token after its grace kills all tokens of that sign-in' },
  { name: 'accessTtl', default: 3600, kind: 'number', least: 1, says: 'life of ID and access tokens, seconds' },
  { name: 'refreshTtl', default: 30 * 86400, kind: 'number', least: 1, says: 'life of refresh tokens, seconds' },
  { name: 'codeTtl', default: 300, kind: 'number', least: 1, says: 'life of authorization codes, seconds' },
  { name: 'ssoTtl', default: 3600, kind: 'number', least: 1, says: "life of Cognito's own sign-in cookie, seconds" },
  { name: 'updatedIssuer', default: false, kind: 'boolean', says: 'the newer issuer: <origin>/issuer/<poolId> in tokens and discovery' },

  // What is in the tokens.
  { name: 'omitIdToken', default: false, kind: 'boolean', says: 'leave id_token out of token answers' },
  { name: 'injectedNonce', default: false, kind: 'boolean', says: 'a nonce of its own in ID tokens of logins that sent none (third-party sign-in)' },
  { name: 'badNonce', default: false, kind: 'boolean', says: 'another nonce than the one that was sent' },
  { name: 'missingNonce', default: false, kind: 'boolean', says: 'no nonce although one was sent' },
  { name: 'refreshNonce', default: null, kind: ['same', 'other'], says: 'nonce in refreshed ID tokens: the same, another, or (null) none' },
  { name: 'idClaims', default: {}, kind: 'object', says: 'merged into the claims of ID tokens; a null member removes the claim' },
  { name: 'accessClaims', default: {}, kind: 'object', says: 'merged into the claims of access tokens; a null member removes the claim' },
  { name: 'refreshClaims', default: {}, kind: 'object', says: 'as both above, but only in tokens made by a refresh, e.g. another sub' },
  { name: 'idHeader', default: {}, kind: 'object', says: 'merged into the header of ID tokens; a null member removes it' },
  { name: 'accessHeader', default: {}, kind: 'object', says: 'merged into the header of access tokens; a null member removes it' },
  { name: 'idAlg', default: 'RS256', kind: ALGORITHMS, says: 'how ID tokens are signed; HS256 is keyed with the public key in PEM' },
  { name: 'accessAlg', default: 'RS256', kind: ALGORITHMS, says: 'how access tokens are signed' },
  { name: 'badSignature', default: null, kind: ['id', 'access'], says: 'spoil the signature of that token' },
  { name: 'oneKey', default: false, kind: 'boolean', says: 'the pool has one key: it signs both tokens and is alone in the JWKS' },
  { name: 'unknownKid', default: null, kind: ['id', 'access'], says: 'sign that token with a key that is not in the JWKS' },
  { name: 'resourceAud', default: null, kind: 'text', says: 'aud of access tokens, as resource binding puts it there' },
  { name: 'groups100', default: false, kind: 'boolean', says: '100 groups of 128 characters in both tokens' },
  { name: 'oversize', default: 0, kind: 'number', least: 0, says: 'extra bytes in both tokens (claim custom:padding)' },
  { name: 'clockOffset', default: 0, kind: 'number', says: 'seconds added to iat and exp' },

  // What the endpoints do.
  { name: 'latencyMs', default: 0, kind: 'number', least: 0, says: 'wait before every answer' },
  { name: 'slowMs', default: 20000, kind: 'number', least: 0, says: 'how slow the faults called slow are' },
  {
    name: 'jwksFault',
    default: null,
    kind: ['500', 'html', 'slow', 'huge', 'redirect', 'empty', 'malformed', 'wrongtype', 'nokid'],
    says: 'what goes wrong with jwks.json',
  },
  {
    name: 'tokenFault',
    default: null,
    kind: ['429', '500', '503', '403', 'html', 'html200', 'empty', 'array',
      'redirect301', 'redirect302', 'redirect303', 'redirect307', 'redirect308',
      'truncated', 'huge', 'badtype', 'noaccess', 'duplicate', 'drop', 'slow'],
    says: 'what goes wrong at /oauth2/token; from truncated on, the request has been carried out',
  },
  { name: 'tokenAnswer', default: {}, kind: 'object', says: 'merged into the token answer; a null member removes it' },
  { name: 'redirectTo', default: null, kind: 'text', says: 'where redirects of jwks.json and /oauth2/token lead, if not to this host' },
  { name: 'ignorePkce', default: false, kind: 'boolean', says: 'codes are taken with any code_verifier' },
  { name: 'tokenError', default: null, kind: 'text', says: '/oauth2/token answers 400 {"error": this}' },
  { name: 'tokenFaultCount', default: null, kind: 'number', least: 1, says: 'how many requests tokenFault or tokenError hit before they switch themselves off' },
  { name: 'retryAfterSecs', default: 2, kind: 'number', least: 0, says: 'Retry-After of the fault 429' },
  { name: 'invalidClient401', default: false, kind: 'boolean', says: 'invalid_client as 401 rather than 400' },
  { name: 'revokeFault', default: null, kind: ['500', 'slow'], says: 'what goes wrong at /oauth2/revoke' },
  { name: 'authorizeError', default: null, kind: 'object', says: '{error, error_description} sent to the callback instead of a code' },
  { name: 'stateMangle', default: false, kind: 'boolean', says: 'damage + / = in the state on its way back' },
];

const TABLE = new Map(SWITCHES.map((row) => [row.name, row]));

/** All switches at their defaults, except what the caller sets at start. */
export function defaultSwitches(overrides = {}) {
  const values = Object.fromEntries(SWITCHES.map((row) => [row.name, structuredClone(row.default)]));
  return applySwitches(values, overrides);
}

/** Changes `values` in place, or throws and changes nothing. null puts a switch back to its default. */
export function applySwitches(values, partial) {
  if (partial === null || typeof partial !== 'object' || Array.isArray(partial)) throw new TypeError('switches are given as an object');
  for (const [name, value] of Object.entries(partial)) checkSwitch(name, value);
  for (const [name, value] of Object.entries(partial)) values[name] = structuredClone(value ?? TABLE.get(name).default);
  return values;
}

function checkSwitch(name, value) {
  const row = TABLE.get(name);
  if (!row) throw new TypeError(`unknown switch "${name}"; there are: ${[...TABLE.keys()].join(', ')}`);
  if (!isAllowed(row, value)) throw new TypeError(`switch "${name}" takes ${describeKind(row)}, not ${JSON.stringify(value)}`);
}

function isAllowed({ kind, least = -Infinity }, value) {
  if (value === null) return true;
  if (Array.isArray(kind)) return kind.includes(value);
  if (kind === 'object') return typeof value === 'object' && !Array.isArray(value);
  if (kind === 'text') return typeof value === 'string';
  if (kind === 'number') return Number.isSafeInteger(value) && value >= least;
  return typeof value === kind;
}

/** For people: `"500" | "html" | null`, `number from 1`, `boolean`. */
export function describeKind({ kind, least, default: preset }) {
  const kinds = Array.isArray(kind) ? kind.map((value) => JSON.stringify(value)).join(' | ') : `${kind}${least === undefined ? '' : ` from ${least}`}`;
  return preset === null ? `${kinds} | null` : kinds;
}
