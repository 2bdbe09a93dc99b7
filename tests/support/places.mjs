// Two locations: two Workers in real workerd, each with its isolate and its world (faulty-worker.mjs), over one KV and one local
// Cognito, behind one public URL. A browser that is copied with `at` has the same cookies at the other place.

import { createTestHarness } from 'wrangler';

import { startCognito } from '../../dev/cognito/server.mjs';
import { baseConfig, Browser, FAULTY, Gateway, PUBLIC_URL, varsFor, WITHOUT_SECRETS } from './gateway.mjs';

const NAMES = ['here', 'there'];

/** `vars` as for startGateway; `config` gives other sections of wrangler.toml for the Worker of that name. */
export async function startPlaces({ vars = {}, config = () => ({}) } = {}) {
  const cognito = await startCognito();
  const server = createTestHarness({ root: WITHOUT_SECRETS, workers: [front(), ...NAMES.map((name) => worker(name))].map((each) => ({ config: each })) });
  const { url: address } = await server.listen();
  const [here, there] = NAMES.map((place) => new Gateway({ server, address, cognito, publicUrl: PUBLIC_URL, vars, faulty: true, place }));
  return new Places({ server, cognito, here, there });

  function front() {
    const { compatibility_date: date } = baseConfig();
    const main = baseConfig('tests/support/places-worker.mjs').main;
    return { name: 'places', main, compatibility_date: date, services: NAMES.map((name) => ({ binding: name, service: name })) };
  }

  function worker(name) {
    return { ...baseConfig(FAULTY), name, vars: varsFor(cognito, vars), ...config(name) };
  }
}

export class Places {
  #secs = 0;
  #skews = new Map();

  constructor({ server, cognito, here, there }) {
    Object.assign(this, { server, cognito, here, there });
  }

  get both() {
    return [this.here, this.there];
  }

  /** The same world for both. */
  async setWorld(changes) {
    for (const place of this.both) await place.setWorld(changes);
  }

  /** Time passes at both places and at Cognito. */
  async passTime(secs) {
    this.#secs += secs;
    this.cognito.set({ clockOffset: this.#secs });
    for (const place of this.both) await place.setWorld({ clockSecs: this.#secs + (this.#skews.get(place) ?? 0) });
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
