// The built Worker in real workerd with real local KV, before a local Cognito: one call starts both.
//
// The Worker's own outbound requests leave through Node's `fetch`, so everything it asks is a real request to a real
// server on loopback. Anything else it might ask for fails the test (`unexpected`).

import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';

import { createTestHarness } from 'wrangler';

import { startCognito } from '../../dev/cognito/server.mjs';
import { signIn } from './sign-in.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const PUBLIC_URL = 'http://localhost:8787';
/** TEST ONLY: seals nothing that matters. */
export const SESSION_KEYS = 'v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';

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
 * names another entry script beside build/index.js, `cognito` are options of startCognito.
 */
export async function startGateway({ vars = {}, main = 'build/index.js', cognito: cognitoOptions = {}, config = {} } = {}) {
  const publicUrl = vars.PUBLIC_URL ?? PUBLIC_URL;
  const cognito = await startCognito({
    callbackUrls: [`${publicUrl}/auth/callback`, `${publicUrl}/signed-in.html`],
    logoutUrls: [`${publicUrl}/`],
    ...cognitoOptions,
  });
  const all = {
    PUBLIC_URL,
    COGNITO_USER_POOL_ID: cognito.poolId,
    COGNITO_CLIENT_ID: cognito.clientId,
    COGNITO_CLIENT_SECRET: cognito.clientSecret,
    COGNITO_DOMAIN: cognito.origin,
    COGNITO_ISSUER: cognito.issuer,
    SESSION_KEYS,
    RULES,
    ...vars,
  };
  const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
  const server = createTestHarness({
    workers: [{ config: { ...baseConfig(main), vars: present, ...config } }],
  });
  const { url } = await server.listen();
  return new Gateway(server, url, cognito, publicUrl);
}

/** The sections of wrangler.toml that matter here, with nothing to build and no file of secrets. */
function baseConfig(main) {
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

function asResponse({ statusCode, rawHeaders }, body) {
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) headers.append(rawHeaders[index], rawHeaders[index + 1]);
  const empty = [101, 204, 205, 304].includes(statusCode);
  return new Response(empty ? null : body, { status: statusCode, headers });
}

export class Gateway {
  constructor(server, address, cognito, publicUrl) {
    this.server = server;
    this.address = address;
    this.cognito = cognito;
    this.publicUrl = publicUrl;
  }

  /**
   * One request to the gateway; never follows redirects. A path is taken under the public URL and sent as written: Node's
   * own `fetch` would put its headers (`Sec-Fetch-Mode: cors`) over ours and tidy the path.
   */
  fetch(address, { method = 'GET', headers = {}, body } = {}) {
    const [, host = new URL(this.publicUrl).host, path] = /^(?:https?:\/\/([^/]+))?(.*)$/s.exec(address);
    const all = { host, ...Object.fromEntries(new Headers(headers)) };
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
      sent.end(body);
    });
  }

  /** A browser: a cookie jar, and the headers that Chromium sends. */
  browser() {
    return new Browser(this);
  }

  async kv() {
    const { SESSIONS } = await this.server.getWorker().getEnv();
    return SESSIONS;
  }

  /** Every key and value of the store, as somebody with a dump of it would see them. */
  async dumpKv() {
    const kv = await this.kv();
    const { keys } = await kv.list();
    return Promise.all(keys.map(async ({ name, expiration }) => ({ name, expiration, value: await kv.get(name) })));
  }

  /** The Worker's own log lines, parsed. */
  logs() {
    return this.server.getLogs().map(({ message }) => {
      const text = Array.isArray(message) ? message.join(' ') : String(message);
      try {
        return JSON.parse(text);
      } catch {
        return { message: text };
      }
    });
  }

  async close() {
    await this.server.close();
    await this.cognito.close();
  }
}

/** A browser without a screen: cookies by name, page loads and scripts with the headers that Chromium would send. */
export class Browser {
  constructor(gateway) {
    this.gateway = gateway;
    this.cookies = new Map();
    this.cognitoJar = new Map();
  }

  async send(path, init = {}) {
    const headers = new Headers(init.headers);
    if (this.cookies.size > 0 && !headers.has('cookie')) {
      headers.set('cookie', [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '));
    }
    const response = await this.gateway.fetch(path, { ...init, headers });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/Max-Age=0/.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }

  /** Loads a page, as a click on a link does. */
  navigate(path, headers = {}) {
    return this.send(path, {
      headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none', ...headers },
    });
  }

  /** What a script of our own page does. */
  script(path, init = {}) {
    const own = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' };
    const origin = init.method === 'POST' ? { origin: this.gateway.publicUrl } : {};
    return this.send(path, { ...init, headers: { ...own, ...origin, ...init.headers } });
  }

  /** A script's POST of JSON; no body when `body` is undefined. */
  post(path, body, headers = {}) {
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    return this.script(path, { method: 'POST', body: body === undefined ? undefined : JSON.stringify(body), headers: { ...json, ...headers } });
  }

  /** Opens a login and gives the authorize URL that the gateway sent the browser to. */
  async beginLogin(returnTo = '/') {
    const response = await this.navigate(`/auth/login?return_to=${encodeURIComponent(returnTo)}`);
    if (response.status !== 302) throw new Error(`login answered ${response.status}`);
    return response.headers.get('location');
  }

  /** What Cognito sends the browser back with. */
  async authenticate(authorizeUrl, options = {}) {
    const { callbackUrl, jar } = await signIn(authorizeUrl, { jar: this.cognitoJar, ...options });
    this.cognitoJar = jar;
    return callbackUrl;
  }

  /** A whole login; gives the answer of the callback. */
  async signIn(returnTo = '/', options = {}) {
    const callbackUrl = await this.authenticate(await this.beginLogin(returnTo), options);
    return this.navigate(callbackUrl, { 'sec-fetch-site': 'cross-site' });
  }
}
