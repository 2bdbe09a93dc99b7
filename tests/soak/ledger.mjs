// What really happened: the faults, the sessions, and what Cognito did with each token of theirs.

import { createHash } from 'node:crypto';

/** The tokens of one sign-in. */
export class Family {
  constructor(code) {
    this.code = code;
    /** Every request to the token endpoint for it, the code's first. */
    this.exchanges = [];
    /** The access tokens that reached a gateway: {token, issuedAt, expiresAt, renewAt, at, location}. */
    this.accessTokens = [];
    /** The access tokens that a request has found due, or forced. */
    this.needed = new Set();
  }

  get lastExpiry() {
    return this.accessTokens.at(-1)?.expiresAt ?? 0;
  }

  /** A request that renews an access token which is due. */
  need(now, forced) {
    const last = this.accessTokens.at(-1);
    if (last && (forced || now >= 1000 * last.renewAt)) this.needed.add(last.token);
  }
}

/** A session as the browser knows it. */
export class Session {
  constructor({ cookie, user, family, born, location }) {
    Object.assign(this, { cookie, user, family, born, location, recordKey: recordKey(cookie) });
    /** {how: 'signed out' | 'replaced' | 'perhaps', from, until, location}, once it has been ended by the user. */
    this.ended = undefined;
    /** When something that needs its tokens was asked for. */
    this.visits = [];
    /** When a forced refresh was last asked for. */
    this.forcedAt = 0;
  }

  /** When its tokens were renewed, in milliseconds, the sign-in first. */
  get renewals() {
    return this.family.accessTokens.map(({ at }) => at);
  }
}

export class Ledger {
  #faults = [];
  #byRequest = new Map();
  #byKey = new Map();
  #outages = [];
  #deaths = [];
  #byToken = new Map();
  #byCode = new Map();
  /** How often each kind of fault has come. */
  counts = new Map();
  families = [];
  /** Requests for tokens by refresh tokens, and those of them that a fault hit. */
  refreshes = { asked: 0, hit: 0 };
  /** Values that no log line may hold. */
  secrets = new Set();

  note(fault) {
    this.#faults.push(fault);
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    if (fault.kind === 'isolate: dies') this.#deaths.push(fault);
    if (fault.request) add(this.#byRequest, fault.request, fault);
    for (const key of fault.keys ?? []) add(this.#byKey, key, fault);
  }

  outageBegins(kind, from) {
    this.#outages.push({ kind, from, until: Infinity });
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  outageEnds(until) {
    this.#outages.at(-1).until = until;
  }

  // ---- What Cognito did ----

  /** A request for tokens: {location, form, from, until, fault, tokens}; `tokens` are what Cognito gave, arrived or not. */
  exchanged(exchange) {
    const { form, fault, tokens, location, until } = exchange;
    const sent = form.get('refresh_token') ?? form.get('code');
    const family = form.has('code') ? this.#familyOfCode(sent) : this.#byToken.get(sent);
    if (!family) throw new Error('a gateway has sent a refresh token that Cognito never gave');
    if (form.has('refresh_token')) {
      this.refreshes.asked += 1;
      if (fault) this.refreshes.hit += 1;
    }
    if (fault) this.note({ kind: fault.startsWith('outage') ? 'token: outage' : `token: ${fault}`, location, from: exchange.from, until, family });
    const lost = fault && !['late', 'slow machine'].includes(fault);
    family.exchanges.push({ ...exchange, sent, lost, refused: tokens?.error === 'invalid_grant' });
    if (tokens?.refresh_token) this.#byToken.set(tokens.refresh_token, family);
    for (const value of [sent, tokens?.refresh_token, tokens?.access_token, tokens?.id_token]) if (value) this.secrets.add(value);
    if (tokens?.access_token && !lost) family.accessTokens.push({ ...readAccessToken(tokens.access_token), at: until, location });
  }

  #familyOfCode(code) {
    if (!this.#byCode.has(code)) {
      this.#byCode.set(code, new Family(code));
      this.families.push(this.#byCode.get(code));
    }
    return this.#byCode.get(code);
  }

  /** The sign-in that a code was for; undefined before a gateway has sent it to Cognito. */
  familyOf(code) {
    return this.#byCode.get(code);
  }

  // ---- What went wrong ----

  /** Of this one request: KV and origin. */
  ofRequest(request) {
    return this.#byRequest.get(request) ?? [];
  }

  /** Of these KV keys, ended within the times. */
  ofKeys(keys, from, until) {
    return keys.flatMap((key) => this.#byKey.get(key) ?? []).filter((fault) => within(fault, from, until));
  }

  /** Of a place and location, whoever it hit. */
  ofLocation(place, location, from, until) {
    return this.#faults.filter((fault) => fault.kind.startsWith(place) && (!fault.location || fault.location === location) && within(fault, from, until));
  }

  ofFamily(family, from, until) {
    return this.#faults.filter((fault) => fault.family === family && within(fault, from, until));
  }

  outages(from, until) {
    return this.#outages.filter((outage) => within(outage, from, until));
  }

  deaths(location, from, until) {
    return this.#deaths.filter((death) => death.location === location && within(death, from, until));
  }

  /** Faults before `at` explain nothing any more: they are counted, and need not be looked through again. */
  forgetBefore(at) {
    this.#faults = this.#faults.filter(({ until }) => until >= at);
  }
}

function within(fault, from, until) {
  return fault.until >= from && fault.from <= until;
}

function add(map, key, value) {
  if (map.has(key)) map.get(key).push(value);
  else map.set(key, [value]);
}

/** Where the session lives in KV (src/session/id.rs). */
export function recordKey(cookie) {
  const bytes = Buffer.from(cookie, 'base64url');
  const hash = createHash('sha256').update('edgegate/lookup/1').update(bytes.subarray(16)).digest('base64url');
  return `session/${bytes.subarray(0, 16).toString('base64url')}/${hash}`;
}

export function endedKeys(key) {
  const [, tag, hash] = key.split('/');
  return [`ended/${tag}/${hash}`, `ended/${tag}`];
}

/** Its times, and when the gateway renews it (`renew_at` in src/session/policy.rs). */
function readAccessToken(token) {
  const { iat, exp, sub } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  const margin = Math.min(300, Math.floor((exp - iat) / 2));
  const last = Buffer.from(token).reverse().subarray(0, 8);
  const spread = last.reduce((sum, byte) => BigInt.asUintN(64, sum * 31n + BigInt(byte)), 0n);
  const less = Math.floor((Math.floor(margin / 4) * Number(spread % 256n)) / 256);
  return { token, sub, issuedAt: iat, expiresAt: exp, renewAt: exp - (margin - less) };
}

