// A browser without a screen: cookies by name, page loads and scripts with the headers that Chromium would send.

import { signIn } from './sign-in.mjs';

export class Browser {
  constructor(gateway) {
    this.gateway = gateway;
    this.cookies = new Map();
    this.cognitoJar = new Map();
  }

  get sessionName() {
    return this.gateway.publicUrl.startsWith('https:') ? '__Host-session' : 'edgegate-session';
  }

  /** The session cookie's value; undefined without one. */
  get session() {
    return this.cookies.get(this.sessionName);
  }

  /** The names of the login-flow cookies, oldest first. */
  get flows() {
    return [...this.cookies.keys()].filter((name) => /^(__Host-|edgegate-)login-/.test(name));
  }

  /** The name of the cookie that says when the gateway has begun a login by itself. */
  get retryName() {
    return this.sessionName.replace(/session$/, 'sign-in-retry');
  }

  /** As after a login that the gateway has begun by itself a moment ago: the next one that cannot be finished is told. */
  hasRetried() {
    this.cookies.set(this.retryName, `1.${this.gateway.now()}`);
    return this;
  }

  /** Another browser with a copy of this one's cookies, as a thief or a second location has them. */
  copy() {
    const copy = new Browser(this.gateway);
    copy.cookies = new Map(this.cookies);
    return copy;
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
    return this.send(path, { headers: { ...NAVIGATION, ...headers } });
  }

  /** What a script of our own page does. */
  script(path, init = {}) {
    const origin = init.method === 'POST' ? { origin: this.gateway.publicUrl } : {};
    return this.send(path, { ...init, headers: { ...OWN_SCRIPT, ...origin, ...init.headers } });
  }

  /** A script's POST of JSON; no body when `body` is undefined. */
  post(path, body, headers = {}) {
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    return this.script(path, { method: 'POST', body: body === undefined ? undefined : JSON.stringify(body), headers: { ...json, ...headers } });
  }

  /** An HTML form of our own page. */
  postForm(path) {
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: this.gateway.publicUrl, 'sec-fetch-site': 'same-origin' };
    return this.send(path, { method: 'POST', body: '', headers: { ...NAVIGATION, ...form } });
  }

  /** Opens a login and gives the authorize URL that the gateway sent the browser to. */
  async beginLogin(returnTo = '/', headers = {}) {
    const response = await this.navigate(`/auth/login?return_to=${encodeURIComponent(returnTo)}`, headers);
    if (response.status !== 302) throw new Error(`login answered ${response.status}`);
    return response.headers.get('location');
  }

  /** What Cognito sends the browser back with. */
  async authenticate(authorizeUrl, options = {}) {
    const { callbackUrl, jar } = await signIn(authorizeUrl, { jar: this.cognitoJar, ...options });
    this.cognitoJar = jar;
    return callbackUrl;
  }

  /** Arrives at a callback URL. */
  arrive(callbackUrl, headers = {}) {
    return this.navigate(callbackUrl, { 'sec-fetch-site': 'cross-site', ...headers });
  }

  /** A whole login; gives the answer of the callback, or of /auth/token where a page of the app is the redirect URI. */
  async signIn(returnTo = '/', options = {}) {
    const callbackUrl = await this.authenticate(await this.beginLogin(returnTo), options);
    const { pathname, searchParams } = new URL(callbackUrl);
    if (pathname === '/auth/callback') return this.arrive(callbackUrl);
    return this.post('/auth/token', { code: searchParams.get('code'), state: searchParams.get('state') });
  }
}

/** A page load that the user began. */
export const NAVIGATION = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' };
/** `fetch()` in a page of ours. */
export const OWN_SCRIPT = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' };
