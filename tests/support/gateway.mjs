// The built Worker in real workerd with real local KV, before a local Cognito: one call starts both.
//
// The Worker's own requests are real requests to real servers on loopback (network.mjs); what it asks beyond fails the test.

import './quiet.mjs';

import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';

import { createTestHarness } from 'wrangler';

import { TEST_ACCOUNTS } from '../../dev/cognito/accounts.mjs';
import { startCognito } from '../../dev/cognito/server.mjs';
import { Browser, NAVIGATION, OWN_SCRIPT } from './browser.mjs';
import { eventually } from './eventually.mjs';
import { givenTokens, strayRequests } from './network.mjs';

export { Browser, NAVIGATION, OWN_SCRIPT };

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Where wrangler looks for `.dev.vars`, whose values would win over ours: a folder without. */
export const WITHOUT_SECRETS = `${ROOT}/tests`;
export const PUBLIC_URL = 'http://localhost:8787';
/** TEST ONLY: seals nothing that matters. */
export const SESSION_KEYS = 'v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
/** Beside `main`: the Worker in a world that can be changed (faulty-worker.mjs). */
export const FAULTY = 'tests/support/faulty-worker.mjs';
/** Beside `main`: the tests' own build of the Worker, by `node dev/build.mjs --self-test`. */
export const SELF_TEST = '.edgegate/self-test/index.js';

export const RULES = JSON.stringify([
  { path: '/', allow: 'public' },
  { path: '/assets/*', allow: 'public' },
  { path: '/signed-in.html', allow: 'public' },
  { path: '/robots.txt', allow: 'public' },
  { path: '/admin/*', allow: { groups: ['admin'] } },
  { path: '/*', allow: 'signed-in' },
]);

/**
 * Starts Cognito and the gateway. `vars` are added to (or with `null` removed from) a working configuration; `main`
 * names another entry script beside build/index.js, `cognito` are options of startCognito, `config` other sections of
 * wrangler.toml.
 */
export async function startGateway({ vars = {}, main = 'build/index.js', cognito: cognitoOptions = {}, config = {} } = {}) {
  const publicUrl = vars.PUBLIC_URL ?? PUBLIC_URL;
  const cognito = await startCognito({
    callbackUrls: [`${publicUrl}/auth/callback`, `${publicUrl}/signed-in.html`],
    logoutUrls: [`${publicUrl}/`],
    ...cognitoOptions,
  });
  const worker = (changes) => ({
    root: WITHOUT_SECRETS,
    workers: [{ config: { ...baseConfig(main), ...devSection(publicUrl), ...config, vars: varsFor(cognito, changes) } }],
  });
  const server = createTestHarness(worker(vars));
  const { url } = await server.listen();
  return new Gateway({ server, address: url, cognito, publicUrl, worker, vars, faulty: main === FAULTY });
}

/** A configuration that works with this Cognito. */
export function workingVars(cognito) {
  return {
    PUBLIC_URL,
    COGNITO_USER_POOL_ID: cognito.poolId,
    COGNITO_CLIENT_ID: cognito.clientId,
    COGNITO_CLIENT_SECRET: cognito.clientSecret,
    COGNITO_DOMAIN: cognito.origin,
    COGNITO_ISSUER: cognito.issuer,
    SESSION_KEYS,
    RULES,
  };
}

/** The same with `changes`; null removes a variable. */
export function varsFor(cognito, changes) {
  return Object.fromEntries(Object.entries({ ...workingVars(cognito), ...changes }).filter(([, value]) => value !== null));
}

/** wrangler's proxy would make http of an https `Origin` and URL that name the public host; told so, it leaves them. */
function devSection(publicUrl) {
  const { host, protocol } = new URL(publicUrl);
  return protocol === 'https:' ? { dev: { host, upstream_protocol: 'https' } } : {};
}

/** The sections of wrangler.toml that matter here, with nothing to build and no file of secrets. */
export function baseConfig(main = 'build/index.js') {
  const toml = readFileSync(`${ROOT}/wrangler.toml`, 'utf8');
  const [, compatibilityDate] = /^compatibility_date = "([^"]+)"/m.exec(toml);
  return {
    name: 'edgegate',
    main: `${ROOT}/${main}`,
    compatibility_date: compatibilityDate,
    kv_namespaces: [{ binding: 'SESSIONS', id: 'sessions' }],
    assets: {
      directory: `${ROOT}/static`, binding: 'ASSETS', run_worker_first: true, html_handling: 'none', not_found_handling: 'none',
    },
  };
}

const namesOf = (steps) => steps.map((step) => step.split(' ')[0]);

function asResponse({ statusCode, rawHeaders }, body) {
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) headers.append(rawHeaders[index], rawHeaders[index + 1]);
  const empty = [101, 204, 205, 304].includes(statusCode);
  return new Response(empty ? null : body, { status: statusCode, headers });
}

export class Gateway {
  #worker;
  #vars;
  #faulty;
  #place;
  #world = {};
  #lastLines = new Set();

  /** `place`: which of the Workers behind one address (places.mjs). */
  constructor({ server, address, cognito, publicUrl, worker, vars, faulty, place }) {
    this.server = server;
    this.address = address;
    this.cognito = cognito;
    this.publicUrl = publicUrl;
    this.#worker = worker;
    this.#vars = vars;
    this.#faulty = faulty;
    this.#place = place;
  }

  /**
   * One request to the gateway; never follows redirects. A path is taken under the public URL and sent as written: Node's
   * own `fetch` would put its headers (`Sec-Fetch-Mode: cors`) over ours and tidy the path. `chunks` are a body of
   * unannounced length.
   */
  fetch(address, { method = 'GET', headers = {}, body, chunks = [] } = {}) {
    const [, host = new URL(this.publicUrl).host, path] = /^(?:https?:\/\/([^/]+))?(.*)$/s.exec(address);
    const all = { host, ...Object.fromEntries(new Headers(headers)), ...(this.#place && { 'x-place': this.#place }) };
    if (body !== undefined) all['content-length'] = Buffer.byteLength(body);
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.address;
      const sent = httpRequest({ hostname, port, method, path: path || '/', headers: all }, (received) => {
        const chunks = [];
        received.on('data', (chunk) => chunks.push(chunk));
        received.on('error', reject);
        received.on('end', () => resolve(asResponse(received, Buffer.concat(chunks))));
      });
      sent.on('error', reject);
      for (const chunk of chunks) sent.write(chunk);
      sent.end(body);
    });
  }

  /** A browser: a cookie jar, and the headers that Chromium sends. */
  browser() {
    return new Browser(this);
  }

  /** A browser that has just signed in. */
  async signedIn(options = {}) {
    const browser = this.browser();
    const response = await browser.signIn('/', options);
    if (browser.session === undefined) throw new Error(`sign-in answered ${response.status}: ${await response.text()}`);
    return browser;
  }

  // ---- What it did ----

  async kv() {
    const { SESSIONS } = await this.server.getWorker(this.#place).getEnv();
    return SESSIONS;
  }

  /** Every key and value of the store, as somebody with a dump of it would see them. */
  async dumpKv() {
    const kv = await this.kv();
    const { keys } = await kv.list();
    return Promise.all(keys.map(async ({ name, expiration }) => ({ name, expiration, value: await kv.get(name) })));
  }

  async emptyKv() {
    const kv = await this.kv();
    for (const { name } of (await kv.list()).keys) await kv.delete(name);
  }

  /** The keys of the session records in the store. */
  async sessionKeys() {
    const kv = await this.kv();
    return (await kv.list({ prefix: 'session/' })).keys.map(({ name }) => name);
  }

  /** The names of the KV operations of a FAULTY worker since the last call; of any other, none are known. */
  async kvOperations() {
    return this.#faulty ? namesOf(await this.kvSteps()) : [];
  }

  /** The same with the kinds of their keys: `get session+ended+ended`, `put ended`. */
  async kvSteps() {
    return this.#askWorld();
  }

  /** Waits until an operation is held up: see `hold` of a FAULTY worker. */
  async held() {
    const { step } = this.#world.hold;
    const heldNow = async () => (await this.fetch('/__held')).json();
    await eventually(async () => (await heldNow()).includes(step), `${step}, held up`);
  }

  /** The requests that Cognito got for a path that ends so, e.g. `/oauth2/token`. */
  asked(path) {
    return this.cognito.requests.filter((request) => request.path.endsWith(path));
  }

  /** The tokens that Cognito gave, the last one last. */
  givenTokens() {
    return givenTokens.filter(({ origin }) => origin === this.cognito.origin);
  }

  /** The refresh requests that Cognito got. */
  refreshes() {
    return this.asked('/oauth2/token').filter(({ form }) => form?.grant_type === 'refresh_token');
  }

  /** The Worker's own log lines so far, parsed. They may take longer than the answers: so this asks for a last one and waits for it. */
  async logs() {
    const { requestId } = await (await this.fetch('/auth/nothing', { headers: OWN_SCRIPT })).json();
    this.#lastLines.add(requestId);
    await eventually(() => this.#parsedLogs().some(({ request_id: id }) => id === requestId), 'the last line of the log');
    return this.#parsedLogs().filter(({ request_id: id }) => !this.#lastLines.has(id));
  }

  /** The line of a request. */
  async lineOf(requestId) {
    return (await this.logs()).find(({ request_id: id }) => id === requestId);
  }

  #parsedLogs() {
    return this.server.getLogs().map(({ message }) => {
      const text = Array.isArray(message) ? message.join(' ') : String(message);
      try {
        return JSON.parse(text);
      } catch {
        return { message: text };
      }
    });
  }

  // ---- What happens to it ----

  /** Another location, or the next isolate of this one: nothing is remembered, KV and cache stay. */
  async newIsolate() {
    await (this.#place ? this.crash() : this.configure({}));
  }

  /** A deploy with other variables; KV stays. */
  async configure(vars) {
    this.#vars = { ...this.#vars, ...vars };
    await this.server.update(this.#worker(this.#vars));
    if (Object.keys(this.#world).length > 0) await this.setWorld({});
  }

  /**
   * Changes the world of a FAULTY worker: see there for what there is; undefined takes a change back. Gives the names of
   * the KV operations since the last call.
   */
  async setWorld(changes) {
    Object.assign(this.#world, changes);
    return namesOf(await this.#askWorld({ method: 'POST', body: JSON.stringify(this.#world) }));
  }

  async #askWorld(init) {
    const response = await this.fetch('/__world', init);
    if (response.status !== 200) throw new Error('start the gateway with `main: FAULTY`');
    return response.json();
  }

  /** A FAULTY worker's isolate dies: requests under way are cancelled, nothing is remembered. The world stays as it is. */
  async crash() {
    const response = await this.fetch('/__crash');
    if (response.status !== 200) throw new Error(await response.text());
  }

  /** Lets time pass for a FAULTY worker and Cognito's tokens; what KV and Cognito keep lives on real time. */
  async passTime(secs) {
    const clockSecs = (this.#world.clockSecs ?? 0) + secs;
    this.cognito.set({ clockOffset: clockSecs });
    await this.setWorld({ clockSecs });
  }

  /** The time that passTime made, in whole seconds. */
  now() {
    return Math.floor(Date.now() / 1000) + (this.#world.clockSecs ?? 0);
  }

  /** Everything works again and Cognito has forgotten its requests. Clock, sessions and memories stay. */
  async allWell() {
    const { clockSecs } = this.#world;
    this.cognito.reset();
    for (const [email, account] of Object.entries(TEST_ACCOUNTS)) this.cognito.users[email] = structuredClone(account);
    if (Object.keys(this.#world).length === 0) return;
    this.cognito.set({ clockOffset: clockSecs ?? 0 });
    this.#world = {};
    await this.setWorld(clockSecs === undefined ? {} : { clockSecs });
  }

  async close() {
    await this.server.close();
    await this.cognito.close();
    if (strayRequests.length > 0) throw new Error(`the Worker asked beyond loopback: ${strayRequests.join(', ')}`);
  }
}

/** A gateway for one test alone: started, given to `use`, closed. */
export async function withGateway(options, use) {
  const gateway = await startGateway(options);
  try {
    return await use(gateway);
  } finally {
    await gateway.close();
  }
}
