// The simulated users. Each has a browser, an account and a stream of chance of its own, signs in, reads pages, is idle, opens
// several tabs, refreshes, changes its location, goes away in the middle of a request, and signs out. What it asks and gets goes
// to the oracle; a user judges nothing.

import { setTimeout as wait } from 'node:timers/promises';

import { Browser, NAVIGATION } from '../support/browser.mjs';
import { signIn } from '../support/sign-in.mjs';
import { Draws } from './draws.mjs';
import { Session } from './ledger.mjs';
import { LOCATIONS } from './plan.mjs';
import { PASSWORD, PUBLIC_URL } from './world.mjs';

/** What a user does next, by weight. */
const ACTIONS = {
  page: 40, userInfo: 12, refresh: 10, script: 8, admin: 6, publicPage: 6, status: 6, tabs: 6, goAway: 5, force: 3, logout: 3,
  again: 1, health: 1,
};
const SIGNED_OUT_ACTIONS = { enter: 12, publicPage: 1, userInfo: 1, status: 1, script: 1 };
/** What one tab of several does, and what a user does before going away. */
const TAB_ACTIONS = { page: 4, script: 2, userInfo: 2, refresh: 2, status: 1, admin: 1 };
const GO_AWAY_ACTIONS = { ...TAB_ACTIONS, refresh: 6, logout: 1 };

const FORCE = JSON.stringify({ force: true });
/** Clicked by a person. */
const CLICK = { ...NAVIGATION, 'sec-fetch-user': '?1' };

/** Accounts for so many users; every fifth is an admin. */
export function makeAccounts(count) {
  const accounts = Array.from({ length: count }, (_, index) => {
    const number = String(index).padStart(4, '0');
    const sub = `50a00000-0000-4000-8000-00000000${number}`;
    const email = `user-${number}@example.com`;
    const groups = index % 5 === 0 ? ['admin'] : ['reader'];
    return { sub, username: sub, email, password: PASSWORD, name: `User ${number}`, groups, enabled: true };
  });
  return Object.fromEntries(accounts.map((account) => [account.email, account]));
}

let lastRequest = 0;

/** `life.until` is when all is over; it may be put off. */
export class User {
  #world;
  #oracle;
  #draws;
  #life;
  #thinkMs;
  /** Probes with cookies of sessions that were signed out. */
  #beside = [];

  constructor({ account, world, oracle, seed, life, thinkMs }) {
    this.account = account;
    this.#world = world;
    this.#oracle = oracle;
    this.#draws = new Draws(seed, account.email);
    this.#life = life;
    this.#thinkMs = thinkMs;
    this.location = this.#draws.pick(LOCATIONS);
    /** By cookie. */
    this.sessions = new Map();
    this.browser = new Browser({ publicUrl: PUBLIC_URL, fetch: (path, init) => this.#fetch(path, init) });
  }

  /** Does one thing after another until the time is over. */
  async live() {
    await this.#pause(this.#draws.between(0, this.#thinkMs * 3));
    while (this.#isOn) {
      if (this.#draws.chance(0.06)) this.location = this.#draws.pick(LOCATIONS);
      const weights = this.browser.session === undefined ? SIGNED_OUT_ACTIONS : ACTIONS;
      await this.#do(this.#draws.weighted(weights));
      await this.#pause(this.#thinkingMs());
    }
    await Promise.all(this.#beside);
  }

  get #isOn() {
    return Date.now() < this.#life.until;
  }

  #thinkingMs() {
    const kind = this.#draws.next();
    if (kind < 0.01) return this.#draws.between(50_000, 75_000); // idle for longer than a session may be
    if (kind < 0.06) return this.#draws.between(12_000, 40_000); // longer than a token lives, or a memory
    return this.#draws.pause(this.#thinkMs);
  }

  async #pause(ms) {
    await wait(Math.max(0, Math.min(ms, this.#life.until - Date.now())));
  }

  async #do(action, init = {}) {
    const number = Math.floor(this.#draws.next() * 50);
    switch (action) {
      case 'enter':
      case 'page': return this.#page(`/app/page-${number}?from=${number}`, init);
      case 'admin': return this.#page(`/admin/page-${number}`, init);
      case 'script': return this.browser.script(`/app/data-${number}.json`, init);
      case 'publicPage': return this.browser.navigate('/assets/style.css');
      case 'userInfo': return this.browser.script('/user-info', init);
      case 'status': return this.browser.script('/auth/status', init);
      case 'refresh': return this.browser.script('/auth/refresh', { method: 'POST', ...init });
      case 'force': return this.browser.post('/auth/refresh', { force: true });
      case 'tabs': return this.#tabs();
      case 'goAway': return this.#do(this.#draws.weighted(GO_AWAY_ACTIONS), { abortMs: this.#draws.between(1, 150) });
      case 'logout': return this.#logout(init);
      case 'again': return this.#signIn('/app/again');
      case 'health': return this.browser.script(this.#draws.pick(['/config', '/healthz']));
      default: throw new Error(`no such action: ${action}`);
    }
  }

  /** Several tabs at once, now and then at two locations (a telephone that changes from one network to another). */
  #tabs() {
    const apart = this.#draws.chance(0.15);
    const count = 2 + Math.floor(this.#draws.next() * 4);
    return Promise.all(Array.from({ length: count }, () => {
      const init = apart ? { location: this.#draws.pick(LOCATIONS) } : {};
      return this.#do(this.#draws.weighted(TAB_ACTIONS), init);
    }));
  }

  /** Loads a page, and signs in where the gateway says so. */
  async #page(path, { abortMs, location } = {}) {
    const response = await this.browser.send(path, { headers: CLICK, abortMs, location });
    const to = response.headers.get('location');
    if (response.status === 302 && to.startsWith('/auth/login') && !location) await this.#signIn(path, to);
    return response;
  }

  async #signIn(returnTo, login = `/auth/login?return_to=${encodeURIComponent(returnTo)}`) {
    if (this.#world.inOutage || !this.#isOn) return;
    const response = await this.browser.send(login, { headers: CLICK });
    const authorizeUrl = response.headers.get('location');
    if (response.status !== 302 || !authorizeUrl.startsWith(this.#world.cognito.origin)) return;
    const { email } = this.account;
    const { callbackUrl, jar } = await signIn(authorizeUrl, { email, password: PASSWORD, jar: this.browser.cognitoJar });
    this.browser.cognitoJar = jar;
    const headers = { ...CLICK, 'sec-fetch-site': 'cross-site' };
    const arrivals = []; // a callback that comes again may hear what became of the one before
    const arrive = (init) => this.browser.send(callbackUrl, { headers, returnTo, arrivals, ...init });
    const abortMs = this.#draws.chance(0.03) ? this.#draws.between(1, 100) : undefined;
    const arrived = await arrive({ abortMs });
    const to = arrived.headers.get('location');
    if (arrived.status === 303) await this.browser.send(to, { headers: CLICK });
    else if (arrived.status === 302 && to.startsWith('/auth/login')) await this.#signIn(returnTo, to); // the gateway begins it anew
    else if (arrived.status === 0 || this.#draws.chance(0.4)) await arrive({ again: true }); // reloads the page of the error
  }

  /** Signs out, at times while a tab elsewhere renews; and at times somebody has kept a copy of the cookie. */
  async #logout(init) {
    const { session: cookie } = this.browser;
    const [copied, beside] = [this.#draws.chance(0.7), this.#draws.chance(0.5)];
    if (beside && cookie) {
      const location = LOCATIONS.find((each) => each !== this.location);
      this.#beside.push(this.browser.script('/auth/refresh', {
        method: 'POST', body: FORCE, headers: { cookie: `edgegate-session=${cookie}`, 'content-type': 'application/json' }, location,
      }));
      await this.#pause(this.#draws.between(0, 60));
    }
    const response = await this.browser.script('/auth/logout', { method: 'POST', ...init });
    this.browser.cognitoJar = new Map();
    if (response.status === 200 && cookie && copied) this.#beside.push(this.#probe(cookie));
  }

  async #probe(cookie) {
    const headers = { cookie: `edgegate-session=${cookie}` };
    for (const meanMs of [300, 1500, 6000, 15_000, 20_000]) {
      await this.#pause(this.#draws.pause(meanMs));
      if (!this.#isOn) return;
      const path = this.#draws.pick(['/user-info', '/app/data-0.json', '/auth/refresh']);
      const method = path === '/auth/refresh' ? 'POST' : 'GET';
      await this.browser.script(path, { method, headers, location: this.#draws.pick(LOCATIONS) });
    }
  }

  /** One request, judged later. Undefined when the client has gone away. */
  async #fetch(address, { method = 'GET', headers, body, abortMs, location = this.location, returnTo, again = false, arrivals = [] } = {}) {
    const path = address.startsWith(PUBLIC_URL) ? address.slice(PUBLIC_URL.length) : address;
    lastRequest += 1;
    const request = `r${lastRequest}`;
    const cookie = /(?:^|; )edgegate-session=([^;]*)/.exec(headers.get('cookie') ?? '')?.[1];
    const session = this.sessions.get(cookie);
    const asked = {
      request, user: this.account, location, method, path, headers, cookie, session, returnTo, again, from: Date.now(),
      before: [...arrivals],
    };
    arrivals.push(request);
    const renews = /^\/(app|admin|user-info|auth\/(status|refresh))/.test(path);
    if (session && renews) this.#noteNeed(session, body, asked.from);
    const mayEnd = session && session.ended?.how !== 'signed out' && /^\/auth\/(logout|callback)/.test(path);
    const perhaps = { how: 'perhaps', from: asked.from, until: Infinity, location };
    if (mayEnd) session.ended ??= perhaps;
    const answer = await this.#world.ask(location, path, {
      method, body, abortMs, headers: { ...Object.fromEntries(headers), 'x-soak-request': request },
    });
    asked.until = Date.now();
    const created = this.#learn(asked, answer);
    if (mayEnd && answer && !died(answer)) {
      const how = path === '/auth/logout' ? answer.status === 200 && 'signed out' : created && 'replaced';
      // An earlier attempt whose end is not known may have ended it already.
      if (how) session.ended = { ...perhaps, how, from: (session.ended ?? perhaps).from, until: asked.until };
      else if (session.ended === perhaps && path !== '/auth/logout') session.ended = undefined;
    }
    this.#oracle.keep(asked, answer);
    return answer ? response(answer) : Response.error();
  }

  /** A forced refresh is honoured once in 30 s and session (and isolate: so much is not known here). */
  #noteNeed(session, body, now) {
    const forced = body === FORCE && now - session.forcedAt >= 30_000;
    if (forced) session.forcedAt = now;
    session.visits.push(now);
    session.family.need(now, forced);
  }

  /** A sign-in that went well gives a session; whether it did. */
  #learn({ path, location, from, until }, answer) {
    const line = answer?.headers.getSetCookie().find((each) => /^edgegate-session=[^;]/.test(each));
    if (!line || !path.startsWith('/auth/callback')) return false;
    const cookie = /^edgegate-session=([^;]*)/.exec(line)[1];
    const code = new URL(path, PUBLIC_URL).searchParams.get('code');
    const family = this.#world.ledger.familyOf(code);
    this.sessions.set(cookie, new Session({ cookie, user: this.account, family, born: [from, until], location }));
    this.#world.ledger.secrets.add(cookie);
    return true;
  }
}

/** The isolate died under the request (front.mjs), or nothing came. */
export function died({ headers }) {
  return headers.has('x-soak-died') || headers.has('x-soak-none');
}

function response({ status, headers, body }) {
  const empty = [204, 304].includes(status);
  return new Response(empty ? null : body, { status, headers });
}
