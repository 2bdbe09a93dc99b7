// Judges every answer: given what the user did, what Cognito did, and which faults were there, is it one of the right ones? What
// is not explained (causes.mjs) is wrong.

import { jwtVerify } from 'jose';

import { Causes, SECOND, SLACK_MS } from './causes.mjs';
import { endedKeys } from './ledger.mjs';
import { GATEWAY, LIVES } from './plan.mjs';
import { died } from './users.mjs';
import { PUBLIC_URL, pageText } from './world.mjs';

/** How late a location may learn of what happened at another. */
const BEHIND_MS = (GATEWAY.recordSecs + LIVES.kvLagSecs) * SECOND + SLACK_MS;
const BEHIND_GUARD_MS = GATEWAY.guardSecs * SECOND + SLACK_MS;

const STATUS_OF = {
  code_rejected: 400, login_expired: 400, state_mismatch: 400,
  session_required: 401, session_expired: 401, refresh_rejected: 401, forbidden: 403,
  idp_invalid_response: 502, token_rejected: 502, origin_unavailable: 502,
  idp_throttled: 503, idp_unavailable: 503, store_unavailable: 503, idp_timeout: 504, origin_timeout: 504,
};

export class Oracle {
  #ledger;
  #world;
  #causes;
  #behindMs;
  #waiting = [];
  /** {what, request…}: answers that are not right. */
  wrong = [];
  /** Sessions that are gone without cause, once each. */
  lost = new Map();
  /** Sessions gone by a stated limit: name → the sessions. */
  limits = new Map();
  judged = 0;
  /** Sessions that ended as they should, by cause. */
  ends = new Map();
  /** Durations by route: {ms, disturbed}. */
  durations = new Map();
  statuses = new Map();

  constructor({ ledger, world, rotation, strict }) {
    this.#ledger = ledger;
    this.#world = world;
    this.#causes = new Causes({ ledger, rotation, strict });
    this.#behindMs = strict ? BEHIND_GUARD_MS : BEHIND_MS;
  }

  /** An answer to be judged when all that was going on meanwhile is known. No answer: the client went away. */
  keep(asked, answer) {
    this.#waiting.push({ ...asked, answer });
  }

  /** Judges the answers that had come by then. */
  async judge(until) {
    const ready = this.#waiting.filter((visit) => visit.until < until);
    this.#waiting = this.#waiting.filter((visit) => visit.until >= until);
    for (const visit of ready) {
      if (visit.answer) await this.#judgeOne(visit);
    }
  }

  async #judgeOne(visit) {
    this.judged += 1;
    const route = routeOf(visit.path);
    const { status } = visit.answer;
    this.statuses.set(`${route} ${status}`, (this.statuses.get(`${route} ${status}`) ?? 0) + 1);
    if (!this.durations.has(route)) this.durations.set(route, []);
    this.durations.get(route).push({ ms: visit.until - visit.from, disturbed: this.#causes.isDisturbed(visit) });
    try {
      this.#checkHeaders(route, visit);
      if (died(visit.answer)) this.#died(visit);
      else await this.#rules[route](visit);
    } catch (error) {
      if (!(error instanceof WrongAnswer)) throw error;
      const faults = this.#ledger.ofRequest(visit.request).map(({ kind }) => kind);
      this.wrong.push({ ...described(error.message, visit), faults });
    }
  }

  #rules = {
    site: (visit) => this.#site(visit, { identity: false }),
    admin: (visit) => this.#site(visit, { identity: true }),
    public: (visit) => this.#forwarded(visit),
    userInfo: (visit) => this.#userInfo(visit),
    status: (visit) => this.#status(visit),
    refresh: (visit) => this.#refresh(visit),
    login: (visit) => this.#login(visit),
    callback: (visit) => this.#callback(visit),
    logout: (visit) => this.#logout(visit),
    config: ({ answer }) => expect(answer.status === 200 && json(answer).clientId === this.#world.cognito.clientId, '/config'),
    healthz: ({ answer }) => expect(answer.status === 200, '/healthz'),
  };

  // ---- Routes ----

  #site(visit, { identity }) {
    const { answer, user } = visit;
    const { status } = answer;
    if ([302, 401].includes(status)) return this.#signedOut(visit);
    const code = errorCode(answer);
    if (code === 'forbidden') {
      expect(identity && !user.groups.includes('admin'), 'forbidden to one who may');
      return this.#mustBeOpen(visit, true);
    }
    if (code && !code.startsWith('origin_')) return this.#trouble(visit, code);
    expect(!identity || user.groups.includes('admin'), 'opened to one who may not');
    this.#mustBeOpen(visit, identity);
    this.#forwarded(visit);
    const kept = answer.headers.get('cache-control') ?? '';
    if (status === 200) expect(/\bprivate\b/.test(kept), 'a gated page that caches may keep');
    return undefined;
  }

  /** The origin's answer, or why there is none. */
  #forwarded(visit) {
    const { answer, path } = visit;
    const faults = this.#ledger.ofRequest(visit.request).map(({ kind }) => kind);
    const code = errorCode(answer);
    if (code === 'origin_timeout') {
      this.#hasStatus(visit, code);
      return expect(faults.includes('origin: slow') || this.#causes.isSlow(visit.from, visit.until), `${code} without cause`);
    }
    if (code) {
      const broken = faults.some((kind) => /^origin: (refused|reset)$/.test(kind));
      expect(code === 'origin_unavailable' && broken, `${code} without cause`);
      return this.#hasStatus(visit, code);
    }
    if (answer.broken) return expect(faults.includes('origin: truncated'), 'the body broke off without cause');
    expect(answer.status === (faults.includes('origin: 500') ? 500 : 200), `${answer.status} is not what the origin said`);
    return expect(answer.body.startsWith(`${pageText(path)}\n`) && answer.body.length > 2000, 'not the page that was asked for');
  }

  #userInfo(visit) {
    const { answer, user } = visit;
    if (answer.status === 401) return this.#signedOut(visit);
    if (answer.status !== 200) return this.#trouble(visit, errorCode(answer));
    const { sub, email, groups } = json(answer);
    expect(sub === user.sub && email === user.email && groups.join() === user.groups.join(), "another person's name");
    return this.#mustBeOpen(visit, true);
  }

  #status(visit) {
    const { answer, session } = visit;
    if (answer.status !== 200) return this.#trouble(visit, errorCode(answer));
    const { authenticated, expiresAt, refreshAt, loginUrl } = json(answer);
    expect(loginUrl === `${PUBLIC_URL}/auth/login`, 'loginUrl');
    if (!authenticated) {
      expect(expiresAt === null && refreshAt === null, 'times of a session that is none');
      return this.#signedOut(visit, { said: true });
    }
    this.#mustBeOpen(visit, true);
    const latest = session.born[1] / SECOND + LIVES.sessionSecs + 1;
    expect(expiresAt > visit.from / SECOND - 2 && expiresAt <= latest, 'expiresAt');
    return expect(refreshAt <= session.family.lastExpiry, 'refreshAt');
  }

  async #refresh(visit) {
    const { answer, session, user } = visit;
    if (answer.status === 401) return this.#signedOut(visit);
    if (answer.status !== 200) return this.#trouble(visit, errorCode(answer));
    this.#mustBeOpen(visit, true);
    const { success, access_token: token, expires_in: expiresIn } = json(answer);
    const given = session.family.accessTokens.find((each) => each.token === token);
    expect(success === true && given, 'a token that Cognito did not give for this session');
    const [most, least] = [visit.from, visit.until].map((at) => given.expiresAt - at / SECOND);
    expect(expiresIn >= 0 && expiresIn <= most + 1 && expiresIn >= least - 1, `expires_in ${expiresIn}`);
    const { issuer, clientId } = this.#world.cognito;
    const { payload } = await jwtVerify(token, this.#world.keySet, { issuer, currentDate: new Date(visit.from) });
    expect(payload.client_id === clientId && payload.token_use === 'access', 'not an access token of ours');
    return expect(payload.sub === user.sub, "another person's token");
  }

  #login({ answer, headers }) {
    if (answer.status === 429) return expect(rounds(headers) >= 6, 'a loop that is none');
    expect(answer.status === 302, `login answered ${answer.status}`);
    const url = new URL(answer.headers.get('location'));
    const { origin, clientId } = this.#world.cognito;
    const asked = url.searchParams;
    expect(url.origin === origin && url.pathname === '/oauth2/authorize', 'not to Cognito');
    expect(asked.get('client_id') === clientId && asked.get('code_challenge_method') === 'S256', 'a login without PKCE');
    expect(asked.get('state') && asked.get('nonce'), 'a login without state or nonce');
    return expect(asked.get('redirect_uri') === `${PUBLIC_URL}/auth/callback`, 'another redirect_uri');
  }

  #callback(visit) {
    const { answer, path, returnTo } = visit;
    const family = this.#ledger.familyOf(new URL(path, PUBLIC_URL).searchParams.get('code'));
    if (answer.status === 303) {
      const created = answer.headers.getSetCookie().some((line) => /^edgegate-session=[^;]/.test(line));
      expect([returnTo, '/'].includes(answer.headers.get('location')), 'not to where the login began');
      // Without a session of its own it is a late callback of a browser that is signed in.
      if (!created) return this.#mustBeOpen(visit, true);
      return expect(family?.accessTokens.length > 0, 'a session without tokens');
    }
    if (answer.status === 302) {
      const to = new URL(answer.headers.get('location'), PUBLIC_URL);
      expect(to.pathname === '/auth/login' && [returnTo, '/'].includes(to.searchParams.get('return_to')), 'not begun anew');
      expect(!hasRetried(visit), 'begun anew twice in a row');
      return expect(visit.again || family?.exchanges.length > 1, 'begun anew at the first try');
    }
    const code = errorCode(answer);
    if (STATUS_OF[code] === 400) {
      this.#hasStatus(visit, code);
      const spent = code === 'code_rejected' ? family?.exchanges.length > 1 : visit.again;
      return expect(spent, `${code} at the first try`);
    }
    return this.#trouble(visit, code, family);
  }

  #logout(visit) {
    const { answer, request, cookie } = visit;
    const { logoutUrl, success } = json(answer);
    const { origin, clientId } = this.#world.cognito;
    const url = new URL(logoutUrl);
    expect(url.origin === origin && url.pathname === '/logout' && url.searchParams.get('client_id') === clientId, 'logoutUrl');
    const cleared = answer.headers.getSetCookie().some((line) => /^edgegate-session=;.*Max-Age=0/i.test(line));
    expect(cleared || !cookie, 'a sign-out that leaves the cookie');
    if (answer.status === 200) return expect(success === true, 'a sign-out without success');
    expect(errorCode(answer) === 'store_unavailable' && !success, `sign-out answered ${answer.status}`);
    this.#hasStatus(visit, 'store_unavailable');
    return expect(this.#ledger.ofRequest(request).some(({ kind }) => /^KV put/.test(kind)), 'store_unavailable without cause');
  }

  #died({ location, from, until, answer }) {
    const explained = this.#ledger.deaths(location, from - SECOND, until).length > 0;
    expect(explained, answer.headers.has('x-soak-none') ? 'no answer' : 'died without cause');
  }

  // ---- What holds of all ----

  #checkHeaders(route, { answer, cookie }) {
    const { headers, status } = answer;
    const lines = headers.getSetCookie().filter((line) => line.startsWith('edgegate-session='));
    expect(lines.length === 0 || ['callback', 'logout'].includes(route), 'the session cookie is set');
    expect(lines.every((line) => route === 'logout' || !/Max-Age=0/i.test(line)), 'the session cookie is cleared');
    expect(lines.every((line) => cookie === undefined || !line.startsWith(`edgegate-session=${cookie};`)), 'an old cookie is set again');
    const code = errorCode(answer);
    if (status === 503 || status === 429) expect(/^[1-9]\d*$/.test(headers.get('retry-after') ?? ''), 'no Retry-After');
    if (code !== undefined) expect(headers.get('cache-control') === 'no-store', 'an error that may be stored');
  }

  #hasStatus({ answer }, code) {
    expect(answer.status === STATUS_OF[code], `${code} with status ${answer.status}`);
  }

  /** The session that was shown opens something: it was there, it has not ended, and its access token lived. */
  #mustBeOpen({ session, cookie, from, until, location }, identity) {
    expect(session, cookie ? 'opened by an unknown cookie' : 'opened without a session');
    const { ended, family, born, recordKey } = session;
    const renewals = session.renewals.filter((at) => at <= until);
    expect(from <= born[1] + LIVES.sessionSecs * SECOND + SLACK_MS, 'opened after the end of the session');
    const renewedAt = Math.max(born[1], ...renewals);
    expect(from <= renewedAt + LIVES.idleSecs * SECOND + SLACK_MS, 'opened after the idle end of the session');
    const expiry = Math.max(...family.accessTokens.filter(({ at }) => at <= until).map(({ expiresAt }) => expiresAt)) * SECOND;
    const grace = identity ? 0 : LIVES.graceSecs * SECOND;
    expect(from <= expiry + grace + SLACK_MS, identity ? 'opened by a token that had expired' : 'opened after the outage grace');
    if (!ended || ended.how === 'perhaps') return;
    const stillKnown = ended.location === location && this.#ledger.deaths(location, ended.from, until).length === 0;
    const ofMarks = this.#ledger.ofKeys([...endedKeys(recordKey), recordKey], ended.from, ended.until);
    if (ended.how === 'replaced' && ofMarks.some(({ kind }) => /^KV (put|delete)/.test(kind))) return; // best effort
    const latest = ended.until + (stillKnown ? 0 : this.#behindMs);
    expect(from <= latest, `opened ${from - ended.until} ms after the session was ${ended.how}`);
  }

  /** Told to sign in: 401, a page load's 302, or `"authenticated":false`. */
  #signedOut(visit, { said = false } = {}) {
    const { answer, session, path, headers } = visit;
    const navigation = headers.get('sec-fetch-mode') === 'navigate';
    if (!said && navigation && answer.status === 302) {
      const to = `/auth/login?return_to=${encodeURIComponent(path)}`;
      expect(decodeURIComponent(answer.headers.get('location')) === decodeURIComponent(to), 'not to the login');
    } else if (!said) {
      const code = errorCode(answer);
      this.#hasStatus(visit, code);
      expect(!navigation || rounds(headers) >= 3, 'a page load is told 401');
      const codes = session ? ['session_expired', 'refresh_rejected'] : ['session_required'];
      expect(codes.includes(code), `told ${code}`);
      if (code === 'refresh_rejected') expect(this.#causes.refusal(visit), 'refresh_rejected, and Cognito has refused nothing');
    }
    if (session) this.#countEnd(visit);
  }

  #countEnd(visit) {
    const { session } = visit;
    const { end, limit, story } = this.#causes.ofEnd(visit);
    const count = (map, name) => map.set(name, (map.get(name) ?? new Set()).add(session));
    if (end) count(this.ends, end);
    else if (limit) count(this.limits, limit);
    else if (!this.lost.has(session)) this.lost.set(session, described(story, visit));
  }

  /** Trouble: a code that says what is wrong, and a fault that explains it. */
  #trouble(visit, code, family = visit.session?.family) {
    expect(STATUS_OF[code] >= 500, `${visit.answer.status} ${code}`);
    this.#hasStatus(visit, code);
    expect(this.#causes.explain(visit, code, family), `${code} without cause`);
  }
}

class WrongAnswer extends Error {}

function expect(holds, what) {
  if (!holds) throw new WrongAnswer(what);
}

export function routeOf(path) {
  const [name] = path.split('?');
  const names = {
    '/user-info': 'userInfo', '/auth/status': 'status', '/auth/refresh': 'refresh', '/auth/login': 'login',
    '/auth/callback': 'callback', '/auth/logout': 'logout', '/config': 'config', '/healthz': 'healthz',
  };
  if (name in names) return names[name];
  if (name.startsWith('/assets/')) return 'public';
  return name.startsWith('/admin/') ? 'admin' : 'site';
}

/** The code of an error of the gateway's own; undefined where the answer is none. */
export function errorCode({ body, headers }) {
  const kind = headers.get('content-type') ?? '';
  if (kind.startsWith('application/json')) return json({ body }).error;
  return kind.startsWith('text/html') ? /<code id="error-code">(\w+)<\/code>/.exec(body)?.[1] : undefined;
}

function json({ body }) {
  try {
    return JSON.parse(body);
  } catch {
    throw new WrongAnswer('not JSON');
  }
}

/** Whether the gateway has begun a login by itself within a minute before `from`. */
function hasRetried({ headers, from }) {
  const [, secs] = /(?:^|; )edgegate-sign-in-retry=1\.(\d+)/.exec(headers.get('cookie') ?? '') ?? [];
  return secs !== undefined && from / 1000 - Number(secs) < 59;
}

/** How many sign-ins in a row the browser's cookie counts. */
function rounds(headers) {
  return Number(/(?:^|; )edgegate-sign-ins=(\d+)\./.exec(headers.get('cookie') ?? '')?.[1] ?? 0);
}

/** For the report: without tokens, codes and cookies. */
function described(what, { user, method, path, location, from, until, answer, session }) {
  const shown = answer.body.replaceAll(/[\w-]{40,}/g, '…').slice(0, 300);
  return {
    what,
    user: user.email,
    request: `${method} ${path.split('?')[0]}`,
    location,
    at: new Date(from).toISOString(),
    durationMs: until - from,
    status: answer.status,
    to: answer.headers.get('location')?.split('?')[0],
    body: shown,
    session: session && {
      age: from - session.born[1],
      renewals: session.renewals.map((at) => at - from),
      ended: session.ended && { how: session.ended.how, location: session.ended.location, ago: from - session.ended.until },
      exchanges: session.family.exchanges.map((each) => ({
        at: each.from - from, ms: each.until - each.from, location: each.location, fault: each.fault, refused: each.refused,
        token: each.sent.slice(-4), gave: each.tokens?.refresh_token?.slice(-4),
      })),
    },
  };
}
