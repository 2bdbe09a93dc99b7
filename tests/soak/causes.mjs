// What explains an answer that is not the usual one: why a session is gone, which fault a 5xx tells of.

import { endedKeys } from './ledger.mjs';
import { GATEWAY, LIVES, LOCATIONS } from './plan.mjs';

export const SECOND = 1000;
/** Clocks are read in whole seconds, and a request is under way for a while. */
export const SLACK_MS = 2500;
/** How long a renewal may take with all its waits and second writes. */
const RENEWAL_MS = 20_000;
/** How long trouble with Cognito's keys keeps tokens from being verified: a failed look is not repeated at once, nor a vain one. */
const KEYS_MS = 45_000;
/** A request gives up waiting for another one's renewal after 8 s. */
const LEASE_MS = 7000;
/** Close enough to the limit for a token request to have met it. */
const NEAR_TIMEOUT_MS = GATEWAY.tokenTimeoutMs - 1500;

/** Why a session that lived may be gone, as the report names it; anything else is a loss without cause. */
export const LIMITS = {
  answer: 'refused by Cognito after a lost answer',
  death: 'refused by Cognito after the isolate died while it renewed',
  writes: 'refused by Cognito after KV did not take the new token',
  race: 'refused by Cognito: the other location had renewed',
  unsaved: 'ended by their times: KV did not take the last renewal',
  unverified: 'ended by their times: there were no keys to verify the last renewal',
  olderCopy: 'ended by their times in a copy that the other location had renewed',
};

const CODES_OF_TOKEN_FAULTS = {
  429: 'idp_throttled', 500: 'idp_unavailable', 503: 'idp_unavailable', html: 'idp_unavailable', html200: 'idp_invalid_response',
  truncated: 'idp_invalid_response', slow: 'idp_timeout', lost: 'idp_unavailable', unreachable: 'idp_unavailable',
  outage: 'idp_unavailable', 'slow machine': 'idp_timeout',
};
const CODES_OF_KEY_FAULTS = ['idp_unavailable', 'idp_invalid_response', 'idp_timeout', 'token_rejected'];

export class Causes {
  #ledger;
  #rotation;
  #strict;

  constructor({ ledger, rotation, strict }) {
    this.#ledger = ledger;
    this.#rotation = rotation;
    this.#strict = strict;
  }

  // ---- A session is gone ----

  /** {end}: the user's doing or its times; {limit}: one of LIMITS; {story}: nothing that is right. */
  ofEnd(visit) {
    const { session, until } = visit;
    const { ended, born } = session;
    if (ended && ended.from <= until) return { end: ended.how };
    const renewals = session.renewals.filter((at) => at <= until);
    const byTime = until >= born[0] + LIVES.sessionSecs * SECOND - SLACK_MS || idleEnd(Math.max(...renewals)) <= until;
    if (byTime) return { end: 'ended by its times' };
    const refusal = this.refusal(visit);
    const limit = refusal ? this.#limitOfRefusal(session, refusal) : this.#limitOfTimes(visit, renewals);
    return limit ? { limit } : { story: storyOf(session, refusal) };
  }

  /** The last refusal of Cognito that this location has been told. */
  refusal({ session, location, until }) {
    const told = (each) => each.refused && !each.lost && each.location === location && each.from <= until;
    return session.family.exchanges.filter(told).at(-1);
  }

  /** A spent token was sent again. */
  #limitOfRefusal({ family, recordKey, visits }, refusal) {
    const spent = whereSpent(family, refusal);
    if (this.#rotation === 'off' || !spent) return undefined;
    const graceEnds = spent.from + Number(this.#rotation) * SECOND - SLACK_MS;
    if (refusal.from < graceEnds) return undefined;
    if (spent.lost || this.isSlow(spent.from, spent.until + RENEWAL_MS)) {
      // Asked for while the grace still ran, the gateway could have sent the old token again: nothing excuses that it did not, but a
      // fault that met it there too.
      const again = ({ sent, from, fault }) => sent === spent.sent && from > spent.from && from < graceEnds && fault;
      const couldHave = visits.some((at) => at > spent.until && at < graceEnds);
      return couldHave && !family.exchanges.some(again) ? undefined : LIMITS.answer;
    }
    if (this.#ledger.deaths(spent.location, spent.from, spent.until + RENEWAL_MS).length > 0) return LIMITS.death;
    if (this.#wasNotWritten(recordKey, spent.from, refusal.until)) return LIMITS.writes;
    return this.#rotation === '0' && !this.#strict && spent.location !== refusal.location ? LIMITS.race : undefined;
  }

  /** An earlier record has ended, and the one that was renewed is not seen. */
  #limitOfTimes({ session, from, until }, renewals) {
    const over = renewals.filter((at) => idleEnd(at) <= until);
    if (over.length === 0) return undefined;
    if (over.some((at) => this.#wasNotWritten(session.recordKey, at, until))) return LIMITS.unsaved;
    const later = renewals.filter((at) => at > Math.min(...over));
    const withoutKeys = (at) => this.#ledger.ofPlace('keys', undefined, at - KEYS_MS, at + RENEWAL_MS).length > 0;
    if (later.some(withoutKeys)) return LIMITS.unverified;
    const died = (at) => LOCATIONS.some((location) => this.#ledger.deaths(location, at - SECOND, at + 3 * SECOND).length > 0);
    if (later.some(died)) return LIMITS.unsaved;
    const lag = LIVES.kvLagSecs * SECOND + SLACK_MS;
    return over.some((at) => renewals[renewals.indexOf(at) + 1] >= from - lag) ? LIMITS.olderCopy : undefined;
  }

  #wasNotWritten(key, from, until) {
    return this.#ledger.ofKeys([key], from, until).some(({ kind }) => /^KV put: (?!written)/.test(kind));
  }

  // ---- Trouble ----

  /** Whether a fault of this request, of its session or of its location explains the code. */
  explain(visit, code, family) {
    const { location, from, until, request, before } = visit;
    const since = from - GATEWAY.failureMs;
    if (this.isSlow(since, until)) return true;
    const ofKv = this.#ofSession(visit, since).filter((fault) => fault.location === location);
    if (code === 'store_unavailable') {
      const ofRequests = [request, ...before].flatMap((each) => this.#ledger.ofRequest(each));
      return [...ofRequests, ...ofKv].some(({ kind }) => /^KV/.test(kind));
    }

    const ofTokens = family ? this.#ledger.ofFamily(family, since, until).filter((fault) => fault.location === location) : [];
    if (ofTokens.some(({ kind }) => CODES_OF_TOKEN_FAULTS[kind.replace('token: ', '')] === code)) return true;
    const sinceKeys = since - GATEWAY.keysFailureMs;
    if (CODES_OF_KEY_FAULTS.includes(code) && this.#ledger.ofPlace('keys', location, sinceKeys, until).length > 0) return true;
    if (code === 'idp_unavailable' && this.#ledger.outages(sinceKeys, until).length > 0) return true;
    if (code !== 'idp_timeout') return false;
    const meanwhile = (each) => each.until >= since && each.from <= until;
    const slow = family?.exchanges.some((each) => meanwhile(each) && each.until - each.from > NEAR_TIMEOUT_MS);
    // Who waits for a renewal that waits for KV gives up.
    return slow || (until - from > LEASE_MS && (ofKv.length > 0 || ofTokens.length > 0));
  }

  /** Whether the machine was too slow for its time limits to mean anything; counted as a fault, so that it is seen. */
  isSlow(from, until) {
    return this.#ledger.ofPlace('machine', undefined, from, until).length > 0;
  }

  /** Whether any fault may have changed or delayed the answer. */
  isDisturbed(visit) {
    const { request, session, location, from, until } = visit;
    const since = from - GATEWAY.failureMs;
    const ledger = this.#ledger;
    return [
      ledger.ofRequest(request), this.#ofSession(visit, since), session ? ledger.ofFamily(session.family, since, until) : [],
      ledger.outages(since, until), ledger.ofPlace('keys', location, since, until), ledger.deaths(location, from - SECOND, until),
    ].some((faults) => faults.length > 0);
  }

  #ofSession({ session, until }, since) {
    return session ? this.#ledger.ofKeys([session.recordKey, ...endedKeys(session.recordKey)], since, until) : [];
  }
}

function idleEnd(renewedAt) {
  return renewedAt + LIVES.idleSecs * SECOND - SLACK_MS;
}

/** The request that spent the token which was refused later. */
function whereSpent(family, refusal) {
  return family.exchanges.find(({ sent, tokens }) => sent === refusal.sent && tokens?.access_token);
}

function storyOf({ family }, refusal) {
  if (!refusal) return 'a session is gone without cause';
  const spent = whereSpent(family, refusal);
  const how = spent && `${refusal.from - spent.from} ms before at ${spent.location} (fault: ${spent.fault ?? 'none'})`;
  return `a session is gone: Cognito refused a token at ${refusal.location} that was ${how ? `spent ${how}` : 'never spent'}`;
}
