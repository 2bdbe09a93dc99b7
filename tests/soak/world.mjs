// What the users meet: two locations of the gateway in workerd over one KV, the local Cognito, an origin, and the faults between
// them. Everything is on loopback and real but for the faults; every request of the gateways passes here, and what
// Cognito did with it goes into the ledger.

import '../support/quiet.mjs';

import { once } from 'node:events';
import { Agent, createServer, request as httpRequest } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

import { createLocalJWKSet } from 'jose';
import { createTestHarness } from 'wrangler';

import { startCognito } from '../../dev/cognito/server.mjs';
import { defaultSwitches } from '../../dev/cognito/switches.mjs';
import { cdnPage, faultBefore } from '../../dev/cognito/token-faults.mjs';
import { PUBLIC_URL, WITHOUT_SECRETS, baseConfig, workingVars } from '../support/gateway.mjs';
import { Draws, Faults } from './draws.mjs';
import { GATEWAY, LIVES, LOCATIONS } from './plan.mjs';

export { PUBLIC_URL };
export const PASSWORD = 'Passw0rd!';

export const RULES = [
  { path: '/', allow: 'public' },
  { path: '/assets/*', allow: 'public' },
  { path: '/admin/*', allow: { groups: ['admin'] } },
  { path: '/*', allow: 'signed-in' },
];

/** Beyond the gateway's limit; the answer comes when nobody waits for it. */
const PAST = (limitMs) => limitMs + 700;
/** workerd leaves some requests of a dead instance hanging, where the edge would end the connection. */
const CUT_AFTER_MS = 1000;
/** Longer than the gateway can take with all its limits one after the other. */
const NO_ANSWER_MS = 40_000;
/** The gateway looks for unknown keys once in 30 s; Cognito never changes its keys so soon again. */
const KEYS_APART_MS = 45_000;
const SLOW_MACHINE_MS = 1500;
const FAULT_SWITCHES = { ...defaultSwitches(), retryAfterSecs: 2 };

export class World {
  #options;
  #server;
  #address;
  #origin;
  #agent = new Agent({ keepAlive: true, maxSockets: 512 });
  #draws;
  #faults;
  #realFetch = globalThis.fetch;
  #outage;
  #closing = new AbortController();
  /** How many notes of a location have been heard and not yet been dropped there. */
  #heard = new Map();
  /** The requests under way: {location, from, cut}. */
  #flying = new Set();
  #keySet;

  constructor(options, ledger) {
    this.#options = options;
    this.ledger = ledger;
    const draws = (name) => new Draws(options.seed, name);
    this.#draws = draws('times of faults');
    this.#faults = Object.fromEntries(['token', 'keys', 'revoke', 'origin']
      .map((place) => [place, new Faults(draws(place), options.faults[place])]));
  }

  async start(accounts) {
    const { rotation } = this.#options;
    this.cognito = await startCognito({
      callbackUrls: [`${PUBLIC_URL}/auth/callback`], logoutUrls: [`${PUBLIC_URL}/`], accessTtl: LIVES.accessSecs, users: accounts,
    });
    this.cognito.set({ rotation: rotation !== 'off', rotationGrace: rotation === 'off' ? 0 : Number(rotation) });
    this.#origin = await startOrigin();
    globalThis.fetch = (address, init) => this.#outbound(address, init);
    await this.#readKeys();
    await this.#startGateways();
  }

  async #startGateways() {
    const { strict } = this.#options;
    const main = `tests/soak/${strict ? 'strict-' : ''}location.mjs`;
    const vars = {
      ...workingVars(this.cognito),
      ORIGIN_URL: this.#origin.url,
      RULES: JSON.stringify(RULES),
      SESSION_TTL_SECS: String(LIVES.sessionSecs),
      SESSION_IDLE_SECS: String(LIVES.idleSecs),
      OUTAGE_GRACE_SECS: String(LIVES.graceSecs),
    };
    const worker = (name, entry, more) => {
      const { assets, ...config } = baseConfig(entry);
      return { config: { ...config, name, ...more } };
    };
    this.#server = createTestHarness({
      root: WITHOUT_SECRETS,
      workers: [
        worker('front', 'tests/soak/front.mjs', {
          kv_namespaces: [], services: LOCATIONS.map((name) => ({ binding: name, service: name })),
        }),
        ...LOCATIONS.map((name) => worker(name, main, { vars, ...(strict && guard(name)) })),
      ],
    });
    ({ url: this.#address } = await this.#server.listen());
    const { seed, faults, wrong, seenHere } = this.#options;
    const kv = { get: faults.get, put: faults.put, delete: faults.delete };
    const slow = { slowMs: [300, 2000], hangMs: PAST(GATEWAY.kvTimeoutMs), lagMs: LIVES.kvLagSecs * 1000 };
    for (const name of LOCATIONS) await this.#order(name, { order: 'begin', name, seed, kv, wrong, seenHere, ...slow });
  }

  // ---- What happens by itself ----

  /** Outages, deaths of isolates and new signing keys, until `signal` says that it is over. */
  async happen(signal) {
    const { events, outageMs, seed } = this.#options;
    const repeat = async (name, meanMs, event) => {
      const draws = new Draws(seed, name);
      for (;;) {
        await wait(draws.pause(meanMs), undefined, { signal });
        await event(draws);
      }
    };
    const outages = new Faults(new Draws(seed, 'kinds of outages'), { share: 1, kinds: ['unreachable', '503'] });
    const all = [
      repeat('outages', events.outageMs, (draws) => this.#outageFor(draws.between(...outageMs), outages.draw(), signal)),
      repeat('deaths', events.deathMs, (draws) => this.#die(draws.pick(LOCATIONS), draws.chance(0.7))),
      repeat('new keys', events.newKeysMs, async () => {
        await this.#newKeys();
        await wait(KEYS_APART_MS, undefined, { signal });
      }),
    ];
    await Promise.all(all.map((running) => running.catch((error) => {
      if (error.name !== 'AbortError') throw error;
    })));
    this.#outage = undefined;
  }

  async #outageFor(ms, how, signal) {
    const began = Date.now();
    this.#outage = how;
    this.ledger.outageBegins(`outage: ${how}`, began);
    await wait(ms, undefined, { signal });
    this.#outage = undefined;
    this.ledger.outageEnds(Date.now());
  }

  get inOutage() {
    return this.#outage !== undefined;
  }

  /** The isolate ends in the middle of what it does; the next one may find that the location's cache has nothing either. */
  async #die(location, cacheToo) {
    const death = { kind: 'isolate: dies', location, from: Date.now(), until: Infinity };
    this.ledger.note(death);
    const url = `${PUBLIC_URL}/auth/key-set?issuer=${encodeURIComponent(this.cognito.issuer)}`;
    if (cacheToo) await this.#order(location, { order: 'forget keys', url });
    await this.ask(location, '/__soak', { method: 'POST', body: '{"order":"die"}', abortMs: CUT_AFTER_MS });
    death.until = Date.now();
    await this.#pause(CUT_AFTER_MS);
    for (const flight of this.#flying) if (flight.location === location && flight.from <= death.until) flight.cut();
  }

  async #newKeys() {
    this.cognito.rotateKeys({ keepOld: true });
    this.ledger.note({ kind: 'keys: new', from: Date.now(), until: Date.now() });
    await this.#readKeys();
  }

  async #readKeys() {
    const answer = await this.#realFetch(`${this.cognito.issuer}/.well-known/jwks.json`);
    this.#keySet = createLocalJWKSet(await answer.json());
  }

  /** For jose: the keys that Cognito publishes. */
  get keySet() {
    return this.#keySet;
  }

  // ---- What the locations are told, and tell ----

  async #order(location, order) {
    const answer = await this.ask(location, '/__soak', { method: 'POST', body: JSON.stringify(order) });
    const { status, body } = answer;
    if (status !== 200) throw new Error(`the location ${location} answered ${status} to "${order.order}": ${body}`);
    return JSON.parse(body);
  }

  /** Fetches what has gone wrong in the locations' KV up to now. */
  async fetchNotes() {
    for (const location of LOCATIONS) {
      const heard = this.#heard.get(location) ?? 0;
      const from = Date.now();
      const notes = await this.#order(location, { order: 'tell', heard });
      const until = Date.now();
      // So long for nothing: the machine is overloaded, and time limits pass that nobody meant to.
      if (until - from > SLOW_MACHINE_MS) this.ledger.note({ kind: 'machine: slow', from, until });
      this.#heard.set(location, notes.length);
      for (const fault of notes) this.ledger.note(fault);
    }
  }

  /** The gateways' log lines since the last call. */
  takeLogs() {
    const lines = this.#server.getLogs().map(({ message }) => (Array.isArray(message) ? message.join(' ') : String(message)));
    this.#server.clearLogs();
    return lines;
  }

  /** One request to a location: {status, headers, body, broken}, or undefined when the client has gone away after `abortMs`. */
  ask(location, path, { method = 'GET', headers = {}, body, abortMs } = {}) {
    const all = { host: new URL(PUBLIC_URL).host, 'x-soak-location': location, ...headers };
    if (body !== undefined) all['content-length'] = Buffer.byteLength(body);
    const { hostname, port } = this.#address;
    return new Promise((resolve) => {
      const sent = httpRequest({ agent: this.#agent, hostname, port, method, path, headers: all }, (received) => {
        const chunks = [];
        const done = (broken) => {
          const answered = new Headers(pairs(received.rawHeaders));
          resolve({ status: received.statusCode, headers: answered, body: Buffer.concat(chunks).toString(), broken });
        };
        received.on('data', (chunk) => chunks.push(chunk));
        received.on('end', () => done(false));
        received.on('error', () => done(true));
      });
      let gone = false;
      const leave = (answer) => {
        gone = true;
        sent.destroy();
        resolve(answer);
      };
      const timers = [setTimeout(() => leave(noAnswer('nothing came')), NO_ANSWER_MS), abortMs && setTimeout(leave, abortMs)];
      const flight = { location, from: Date.now(), cut: () => leave({ status: 500, headers: died(), body: '' }) };
      this.#flying.add(flight);
      sent.on('close', () => {
        timers.forEach(clearTimeout);
        this.#flying.delete(flight);
      });
      sent.on('error', (error) => (gone ? undefined : resolve(noAnswer(error.code))));
      sent.end(body);
    });
  }

  // ---- What the locations ask ----

  /** Everything that Node fetches comes by here; the harness gives a whole request of a gateway as second argument. */
  async #outbound(address, init) {
    if (typeof init?.url !== 'string') return this.#realFetch(address, init);
    const url = new URL(init.url);
    const location = init.headers.get('x-soak-location');
    if (url.origin === this.#origin.url) return this.#toOrigin(location, init);
    if (url.pathname === '/oauth2/token') return this.#toToken(location, init);
    const place = url.pathname === '/oauth2/revoke' ? 'revoke' : 'keys';
    return this.#toOther(place, location, init);
  }

  async #toOrigin(location, request) {
    const from = Date.now();
    const kind = this.#faults.origin.draw();
    const note = () => kind && this.ledger.note({
      kind: `origin: ${kind}`, location, request: request.headers.get('x-soak-request'), from, until: Date.now(),
    });
    if (kind === 'refused') {
      note();
      return broken();
    }
    if (kind) request.headers.set('x-soak-fault', kind);
    note();
    return this.#sent(request);
  }

  async #toToken(location, request) {
    const from = Date.now();
    const form = new URLSearchParams(await request.clone().text());
    const fault = this.#outage ? `outage: ${this.#outage}` : this.#faults.token.draw();
    const exchange = this.ledger.exchangeBegins({ location, form, from, fault });
    const { answer, tokens } = await this.#exchange(exchange, request);
    const until = Date.now();
    // A machine that is too slow is a fault as well, and not the gateway's.
    if (!exchange.fault && until - from > GATEWAY.tokenTimeoutMs - 1500) exchange.fault = 'slow machine';
    this.ledger.exchangeEnds(exchange, { until, tokens });
    return answer;
  }

  /** What the gateway gets, and the tokens that Cognito gave, whether they arrive or not. */
  async #exchange(exchange, request) {
    const { fault } = exchange;
    if (fault === 'unreachable' || fault === 'outage: unreachable') return { answer: broken() };
    const before = faultBefore({ kind: fault?.replace('outage: ', '') }, { switches: FAULT_SWITCHES });
    if (before) return { answer: new Response(before.body, before) };

    const answer = await this.#realFetch(request.url, request);
    const { status, headers } = answer;
    const body = await answer.text();
    const tokens = { status, ...JSON.parse(body) };
    exchange.tokens = tokens; // spent is spent, however long the answer is on its way
    if (fault === 'lost') return { answer: broken(), tokens };
    if (fault === 'slow') await this.#pause(PAST(GATEWAY.tokenTimeoutMs));
    if (fault === 'late') await this.#pause(this.#draws.between(500, 3000));
    // A refusal is short enough to arrive whole.
    if (fault === 'truncated' && status !== 200) exchange.fault = undefined;
    if (exchange.fault !== 'truncated') return { answer: new Response(body, { status, headers }), tokens };
    headers.delete('content-length');
    return { answer: new Response(body.slice(0, body.length / 2), { status, headers }), tokens };
  }

  async #toOther(place, location, request) {
    const from = Date.now();
    const kind = this.#outage ?? this.#faults[place].draw();
    if (kind && !this.#outage) this.ledger.note({ kind: `${place}: ${kind}`, location, from, until: from });
    switch (kind) {
      case 'unreachable': return broken();
      case '500':
      case '503': return new Response('{"message":"Internal server error"}', { status: Number(kind) });
      case 'html': return new Response(cdnPage('Maintenance', 'We will be back soon.'));
      case 'malformed': return new Response('{"keys":[{');
      default:
    }
    const answer = await this.#realFetch(request.url, request);
    if (kind === 'lost') return broken();
    if (kind === 'slow') await this.#pause(PAST(5000));
    return answer;
  }

  async #sent(request) {
    try {
      return await this.#realFetch(request.url, request);
    } catch {
      return broken();
    }
  }

  /** Waits that nobody waits for any more when all is over. */
  #pause(ms) {
    return wait(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }

  async close() {
    this.#closing.abort();
    globalThis.fetch = this.#realFetch;
    this.#agent.destroy();
    await this.#server?.close();
    this.#origin?.close();
    await this.cognito?.close();
  }
}

/** The guards live at the first location, and both ask them there. */
function guard(name) {
  const [first] = LOCATIONS;
  const elsewhere = name !== first && { script_name: first };
  return {
    durable_objects: { bindings: [{ name: 'SESSION_GUARD', class_name: 'SessionGuard', ...elsewhere }] },
    ...(name === first && { migrations: [{ tag: 'v1', new_sqlite_classes: ['SessionGuard'] }] }),
  };
}

/** As front.mjs says it. */
function died() {
  return new Headers({ 'x-soak-died': '1' });
}

/** What never came: for the oracle an answer like any other, and mostly a wrong one. */
function noAnswer(body) {
  return { status: 504, headers: new Headers({ 'x-soak-none': '1' }), body };
}

function pairs(rawHeaders) {
  return Array.from({ length: rawHeaders.length / 2 }, (_, index) => [rawHeaders[2 * index], rawHeaders[2 * index + 1]]);
}

/** location.mjs makes a broken connection of it. */
function broken() {
  return new Response(null, { status: 500, headers: { 'x-soak-broken': '1' } });
}

/** What the origin's page says, so that nobody's page is taken for another. */
export function pageText(path) {
  return `the origin's page at ${path.split('?')[0]}`;
}

async function startOrigin() {
  const server = createServer(async (request, response) => {
    const fault = request.headers['x-soak-fault'];
    const text = `${pageText(request.url)}\n${'.'.repeat(2000)}`;
    if (fault === 'reset') return request.socket.destroy();
    if (fault === 'slow') await wait(PAST(GATEWAY.originTimeoutMs), undefined, { ref: false });
    const cut = fault === 'truncated' && { 'x-soak-cut': '1' };
    response.writeHead(fault === '500' ? 500 : 200, { 'content-type': 'text/plain', 'content-length': text.length, ...cut });
    return response.end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
