// Two locations: two Workers in real workerd, each with its isolate and its world (faulty-worker.mjs), over one KV and one local
// Cognito, behind one public URL. A browser that is copied with `at` has the same cookies at the other place.

import { createTestHarness } from 'wrangler';

import { startCognito } from '../../dev/cognito/server.mjs';
import { baseConfig, Browser, FAULTY, Gateway, PUBLIC_URL, varsFor, WITHOUT_SECRETS } from './gateway.mjs';

const NAMES = ['here', 'there'];

/** Where strict mode's guards live: a Worker of its own, which no crash of the others touches. */
const GUARD = 'guard';
const guards = (script) => ({ bindings: [{ name: 'SESSION_GUARD', class_name: 'SessionGuard', ...script }] });

/** `vars` as for startGateway; `guarded`: in strict mode. */
export async function startPlaces({ vars = {}, guarded = false } = {}) {
  const cognito = await startCognito();
  const names = guarded ? [...NAMES, GUARD] : NAMES;
  const workers = [front(), ...names.map(worker)].map((config) => ({ config }));
  const server = createTestHarness({ root: WITHOUT_SECRETS, workers });
  const { url: address } = await server.listen();
  const gateway = (place) => new Gateway({ server, address, cognito, publicUrl: PUBLIC_URL, vars, faulty: true, place });
  return new Places({ server, cognito, gateways: Object.fromEntries(names.map((name) => [name, gateway(name)])) });

  function front() {
    const { main, compatibility_date } = baseConfig('tests/support/places-worker.mjs');
    return { name: 'places', main, compatibility_date, services: names.map((name) => ({ binding: name, service: name })) };
  }

  function worker(name) {
    const own = { migrations: [{ tag: 'v1', new_sqlite_classes: ['SessionGuard'] }], durable_objects: guards() };
    const strict = name === GUARD ? own : { durable_objects: guards({ script_name: GUARD }) };
    return { ...baseConfig(FAULTY), name, vars: varsFor(cognito, vars), ...(guarded && strict) };
  }
}

export class Places {
  #secs = 0;
  #skews = new Map();

  constructor({ server, cognito, gateways }) {
    Object.assign(this, { server, cognito, ...gateways });
  }

  get both() {
    return [this.here, this.there];
  }

  /** A browser that has just signed in here, and the same one there, where its session has been read. */
  async signedInAtBoth() {
    const browser = await this.here.signedIn();
    const other = at(this.there, browser);
    const { status } = await other.script('/user-info');
    if (status !== 200) throw new Error(`the other location answered ${status}`);
    return [browser, other];
  }

  /** The same world for both. */
  async setWorld(changes) {
    for (const place of this.both) await place.setWorld(changes);
  }

  /** Time passes at both places, at the guard and at Cognito. */
  async passTime(secs) {
    this.#secs += secs;
    this.cognito.set({ clockOffset: this.#secs });
    for (const place of [...this.both, ...(this.guard ? [this.guard] : [])]) {
      await place.setWorld({ clockSecs: this.#secs + (this.#skews.get(place) ?? 0) });
    }
  }

  /** The clock of one place is so far ahead of the other's and Cognito's, until all is well. */
  async skew(place, secs) {
    this.#skews.set(place, secs);
    await this.passTime(0);
  }

  /** Everything works again and nobody lags; clocks and sessions stay, and what isolates remember. */
  async allWell() {
    this.#skews.clear();
    for (const place of this.both) await place.allWell();
    await this.passTime(0);
    for (const place of this.both) await place.kvSteps();
  }

  /** Nothing is remembered at either place. */
  async crash() {
    for (const place of this.both) await place.crash();
  }

  /** Closes both: they share one server. */
  close() {
    return this.here.close();
  }
}

/** The same browser, its cookies as they are now, as it comes to another place. */
export function at(place, browser) {
  const copy = new Browser(place);
  copy.cookies = new Map(browser.cookies);
  return copy;
}
