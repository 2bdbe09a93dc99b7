/**
 * A gateway for tests of the sample app: serves `static/` with its real `_headers`, under rules much like those of
 * `wrangler.toml`, and plays the endpoints with sessions kept in memory. A second server plays the API.
 *
 * Answers are scripted one by one with `answer()`. What is asked for beyond the contract, and what was scripted but never
 * asked for, fails the test in `assertAllAsExpected()`.
 */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";

const STATIC = new URL("../../static/", import.meta.url);
const PUBLIC = /^\/(?:assets\/.*|signed-in\.html|robots\.txt|favicon\.ico)?$/;
const TYPES = {
  ".css": "text/css", ".html": "text/html; charset=utf-8", ".ico": "image/x-icon", ".js": "text/javascript",
  ".svg": "image/svg+xml", ".txt": "text/plain",
};

export const USER = { sub: "5f1c9a52-0000-4000-8000-000000000001", email: "dana@example.com", name: "Dana Kim", groups: ["admin", "staff"] };

/**
 * @param {object} [options]
 * @param {"access"|"none"} [options.browserTokens] as the gateway's `BROWSER_TOKENS`
 * @param {object} [options.user] what `/user-info` answers
 * @returns {Promise<FakeGateway>}
 */
export async function startFakeGateway(options) {
  const gateway = new FakeGateway(options);
  await gateway.start();
  return gateway;
}

class FakeGateway {
  /** Every request to an endpoint or to the API: `{ method, path, query, headers, body }`; the API's path begins `api:`. */
  calls = [];
  /** Changed by tests that want another life left. */
  expiresIn = 3600;
  /** How many answers of 400 and above went out, each of which Chromium reports on its console. */
  failures = 0;

  #answers = new Map();
  #problems = [];
  #sessions = new Set();
  #flows = new Map();
  #tokens = 1;
  #ids = 0;

  constructor({ browserTokens = "access", user = USER } = {}) {
    this.browserTokens = browserTokens;
    this.user = user;
    this.site = createServer((request, response) => this.#serve(request, response, (call) => this.#site(call)));
    this.api = createServer((request, response) => this.#serve(request, response, (call) => this.#api(call), "api:"));
  }

  async start() {
    this.origin = await listen(this.site);
    this.apiUrl = await listen(this.api);
  }

  /** The next answers to `path`, in order: `{ status, headers, body, wait, cutShort }` or a function of the call that returns one. */
  answer(path, ...answers) {
    this.#answers.set(path, [...(this.#answers.get(path) ?? []), ...answers]);
  }

  /** A session as a login makes it; gives its cookie. */
  signIn() {
    const value = `session-${this.#ids += 1}`;
    this.#sessions.add(value);
    return { name: "edgegate-session", value, url: this.origin, httpOnly: true, sameSite: "Lax" };
  }

  /** The API refuses the tokens given out so far; a forced refresh brings a good one. */
  retireTokens() {
    this.#tokens += 1;
  }

  endSessions() {
    this.#sessions.clear();
  }

  /** A login under way, as `/auth/login` leaves it: the state. */
  beginLogin(returnTo) {
    const state = `state-${this.#ids += 1}`;
    this.#flows.set(state, returnTo);
    return state;
  }

  count(path) {
    return this.calls.filter((call) => call.path === path).length;
  }

  assertAllAsExpected() {
    const unused = [...this.#answers].filter(([, answers]) => answers.length > 0).map(([path]) => `scripted, never asked for: ${path}`);
    const problems = [...this.#problems, ...unused];
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }

  close() {
    for (const server of [this.site, this.api]) {
      server.closeAllConnections();
      server.close();
    }
  }

  async #serve(request, response, route, prefix = "") {
    const url = new URL(request.url, "http://fake");
    let body = "";
    for await (const chunk of request) body += chunk;
    // The clearing of the cache is counted apart from the sign-out, which has the same path.
    const path = url.search === "?clear=cache" ? url.pathname + url.search : url.pathname;
    const call = { method: request.method, path: prefix + path, query: url.searchParams, headers: request.headers, body };

    const isPreflight = call.method === "OPTIONS";
    let answer = (isPreflight ? undefined : this.#answers.get(call.path)?.shift()) ?? route(call);
    if (typeof answer === "function") answer = answer(call);
    if (!answer.isFile && !isPreflight) this.calls.push(call);
    if (answer.wait) await answer.wait;

    const { status = 200, headers = {}, body: content = "" } = answer;
    if (status >= 400) this.failures += 1;
    const isJson = typeof content === "object" && !Buffer.isBuffer(content);
    response.writeHead(status, {
      "Cache-Control": "no-store",
      ...(isJson ? { "Content-Type": "application/json" } : {}),
      ...(prefix ? { "Access-Control-Allow-Origin": this.origin, "Access-Control-Allow-Headers": "authorization" } : {}),
      ...headers,
    });
    const payload = isJson ? JSON.stringify(content) : content;
    if (answer.cutShort) response.write(payload, () => response.destroy());
    else response.end(payload);
  }

  #site(call) {
    const route = `${call.method} ${call.path}`;
    if (call.method === "POST" && call.headers.origin !== this.origin) {
      this.#problems.push(`${route} without the page's own Origin`);
      return failure(403, "csrf_rejected");
    }
    switch (route) {
      case "GET /config":
        return {
          body: {
            apiUrl: this.apiUrl, wsUrl: null, cognitoDomain: this.origin, redirectUri: `${this.origin}/signed-in.html`, clientId: "client",
          },
        };
      case "GET /auth/login": {
        const state = this.beginLogin(call.query.get("return_to") ?? "/");
        return { status: 302, headers: { Location: `/signed-in.html?code=code-1&state=${state}` } };
      }
      case "POST /auth/token": return this.#token(call);
      case "POST /auth/refresh": return this.#refresh(call);
      // It clears nothing: what the pages do where something is left is seen only so.
      case "POST /auth/logout?clear=cache": return { body: { success: true } };
      case "POST /auth/logout": return this.#logout(call);
      case "GET /user-info": return this.#session(call) ? { body: this.user } : failure(401, "session_required");
      case "GET /auth/status": {
        const authenticated = this.#session(call) !== null;
        const now = Math.floor(Date.now() / 1000);
        return {
          body: { authenticated, expiresAt: authenticated ? now + 432_000 : null, refreshAt: authenticated ? now + 3300 : null, loginUrl: "/auth/login" },
        };
      }
      case "GET /cognito/logout": return { body: "signed out", headers: { "Content-Type": "text/plain" } };
      default: return this.#file(call);
    }
  }

  #token(call) {
    const { code, state, ...more } = JSON.parse(call.body);
    const returnTo = this.#flows.get(state);
    if (call.headers["content-type"] !== "application/json" || Object.keys(more).length > 0) this.#problems.push("/auth/token: not the contract's body");
    if (code !== "code-1" || returnTo === undefined) return failure(400, "state_mismatch");
    this.#flows.delete(state);
    return {
      headers: { Location: returnTo, "Set-Cookie": `edgegate-session=${this.signIn().value}; HttpOnly; SameSite=Lax; Path=/` },
      body: this.#tokenBody(),
    };
  }

  #refresh(call) {
    if (call.body !== "" && call.body !== '{"force":true}') this.#problems.push("/auth/refresh: not the contract's body");
    if (!this.#session(call)) return failure(401, "session_required");
    if (call.body !== "") this.#tokens += 1;
    return { body: this.#tokenBody() };
  }

  #tokenBody() {
    const tokens = this.browserTokens === "none" ? {} : { access_token: `token-${this.#tokens}` };
    return { success: true, ...tokens, expires_in: this.expiresIn };
  }

  #logout(call) {
    this.#sessions.delete(this.#session(call));
    const headers = { "Set-Cookie": "edgegate-session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0" };
    const logoutUrl = `${this.origin}/cognito/logout`;
    const isForm = call.headers["content-type"] === "application/x-www-form-urlencoded";
    return isForm ? { status: 303, headers: { ...headers, Location: logoutUrl } } : { headers, body: { success: true, logoutUrl } };
  }

  /** A path is the file of that very name; a folder is its `index.html`. */
  #file(call) {
    if (!PUBLIC.test(call.path) && !this.#session(call)) {
      if (call.headers["sec-fetch-dest"] !== "document") return failure(401, "session_required");
      return { status: 302, headers: { Location: `/auth/login?${new URLSearchParams({ return_to: pathAndQuery(call) })}` } };
    }
    try {
      const path = call.path.endsWith("/") ? `${call.path}index.html` : call.path;
      const body = readFileSync(new URL(`.${path}`, STATIC));
      const onReturnPage = path === "/signed-in.html" ? { "Cache-Control": "no-store", "Referrer-Policy": "no-referrer" } : {};
      return { isFile: true, body, headers: { "Content-Type": TYPES[extname(path)], ...siteHeaders(), ...onReturnPage } };
    } catch {
      this.#problems.push(`asked for ${call.method} ${call.path}, which is not there`);
      return failure(404, "not_found");
    }
  }

  #api(call) {
    if (call.method === "OPTIONS") return { status: 204 };
    if (call.path !== "api:/hello") this.#problems.push(`API: asked for ${call.path}`);
    if (call.headers.cookie) this.#problems.push("API: got a cookie");
    if (call.headers.authorization !== `Bearer token-${this.#tokens}`) return { status: 401, body: { message: "token" } };
    return { body: { message: "Hello from the API", sub: this.user.sub, groups: this.user.groups, expiresAt: 1_900_000_000 } };
  }

  #session(call) {
    const value = /(?:^|; )edgegate-session=([^;]*)/.exec(call.headers.cookie ?? "")?.[1];
    return this.#sessions.has(value) ? value : null;
  }
}

/** An error as the gateway answers it. */
export function failure(status, code, { headers = {}, ...more } = {}) {
  const login = status === 401 ? { loginUrl: "/auth/login" } : {};
  return { status, headers, body: { error: code, message: "A sentence.", requestId: "req-0001", ...login, ...more } };
}

/** The headers of `static/_headers`, which has one rule, for everything. */
export function siteHeaders() {
  const lines = readFileSync(new URL("_headers", STATIC), "utf8").split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  if (lines.shift() !== "/*") throw new Error("static/_headers: one rule for /* is what this reads");
  return Object.fromEntries(lines.map((line) => /^ {2}([\w-]+): (.+)$/.exec(line).slice(1)));
}

function pathAndQuery(call) {
  const query = String(call.query);
  return query === "" ? call.path : `${call.path}?${query}`;
}

async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}`;
}
