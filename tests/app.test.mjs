/**
 * The sample app in Chromium, over a gateway that is played: see `support/fake-gateway.mjs`. Every test also fails on a
 * console error, an uncaught exception or a breach of the site's Content-Security-Policy that it did not cause on purpose.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { chromium } from "playwright-core";

import { failure, siteHeaders, startFakeGateway, USER } from "./support/fake-gateway.mjs";

const STATIC = new URL("../static/", import.meta.url);

/** A page of the site, and so under its headers, with no script of its own. */
const BARE = "/robots.txt";

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-background-networking"],
  });
});
after(() => browser?.close());

/** Pages to use again: opening a browser profile is most of what a test costs. */
const idlePages = [];

/**
 * A test with its own gateway. `options.signedIn` puts a session into the browser first; `options.context` asks for a
 * browser profile of its own, with these settings, which a test needs that changes the clock or adds a script.
 */
function scenario(name, options, run) {
  it(name, { timeout: 30_000 }, async () => {
    const gateway = await startFakeGateway(options);
    const page = (options.context ? null : idlePages.pop()) ?? await newPage(options.context);
    const context = page.context();
    const faults = watch(page, gateway);
    let isReusable = false;
    try {
      if (options.signedIn) await context.addCookies([gateway.signIn()]);
      await run({ gateway, context, page, open: (path) => page.goto(gateway.origin + path) });
      assert.deepEqual(faults(), []);
      gateway.assertAllAsExpected();
      isReusable = !options.context;
    } finally {
      page.removeAllListeners();
      if (isReusable) {
        await page.goto("about:blank");
        await context.clearCookies();
        idlePages.push(page);
      } else {
        await context.close();
      }
      gateway.close();
    }
  });
}

async function newPage(settings) {
  const context = await browser.newContext({ locale: "en-GB", ...settings });
  return context.newPage();
}

/** Console errors and uncaught exceptions, less one "Failed to load resource" for each failure that was answered. */
function watch(page, gateway) {
  const faults = [];
  let failedLoads = 0;
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    if (message.text().startsWith("Failed to load resource:")) failedLoads += 1;
    else faults.push(message.text());
  });
  return () => (failedLoads > gateway.failures ? [...faults, `${failedLoads} failed loads, ${gateway.failures} expected`] : faults);
}

/** Runs `body` in the page with the module as `auth`; a thrown `AuthError` comes back as its fields. */
function withAuth(page, body, argument) {
  const wrapped = new Function("argument", `return (async () => {
    const auth = await import("/assets/auth.js");
    try {
      return await (${body})(auth, argument);
    } catch (error) {
      const { name, code, status, loginUrl, requestId, retryAfterSecs, needsSignIn, isPassing } = error;
      return { threw: name, code, status, loginUrl, requestId, retryAfterSecs, needsSignIn, isPassing };
    }
  })();`);
  return page.evaluate(wrapped, argument);
}

const text = (page, selector) => page.locator(selector).innerText();
const shows = (page, selector, pattern) => page.locator(selector).filter({ hasText: pattern }).waitFor({ timeout: 10_000 });

async function until(condition, what) {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  assert.fail(`not within 10 s: ${what}`);
}

/** Lets everything arrive that the page has sent up to now: for counting what was not asked. */
async function settle(page) {
  await page.evaluate(() => fetch("/robots.txt").then((response) => response.text()));
  await new Promise((resolve) => { setTimeout(resolve, 100); });
}

/** Holds an answer back until `release()`. */
function held() {
  let release;
  const wait = new Promise((resolve) => { release = resolve; });
  return { wait, release };
}

const ok = (token, more) => ({ body: { success: true, access_token: token, expires_in: 3600, ...more } });

describe("auth.js: the token", { concurrency: 4 }, () => {
  scenario("callers at the same time share one refresh", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    const tokens = await withAuth(page, async (auth) => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => auth.refreshTokens()));
      return answers.map((answer) => answer.accessToken);
    });
    assert.deepEqual(tokens, Array(8).fill("token-1"));
    assert.equal(gateway.count("/auth/refresh"), 1);
  });

  scenario("a refresh after a finished one asks again", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    await withAuth(page, async (auth) => { await auth.refreshTokens(); await auth.refreshTokens(); });
    assert.equal(gateway.count("/auth/refresh"), 2);
  });

  scenario("a forced refresh waits for a plain one, and then is forced", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    const first = held();
    gateway.answer("/auth/refresh", { ...ok("plain"), wait: first.wait });
    const result = withAuth(page, async (auth) => {
      const plain = auth.refreshTokens();
      const forced = auth.refreshTokens({ force: true });
      const alsoForced = auth.refreshTokens({ force: true });
      return [await plain, await forced, await alsoForced].map((answer) => answer.accessToken);
    });
    await until(() => gateway.count("/auth/refresh") === 1, "the plain refresh");
    await new Promise((resolve) => { setTimeout(resolve, 100); });
    assert.equal(gateway.count("/auth/refresh"), 1, "the forced one did not wait");
    first.release();
    assert.deepEqual(await result, ["plain", "token-2", "token-2"]);
    assert.deepEqual(gateway.calls.filter((call) => call.path === "/auth/refresh").map((call) => call.body), ["", '{"force":true}']);
  });

  scenario("a refresh under way while signing out brings no token back", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    const late = held();
    gateway.answer("/auth/refresh", { ...ok("late"), wait: late.wait });
    gateway.answer("/auth/logout", failure(503, "store_unavailable", { logoutUrl: `${gateway.origin}/cognito/logout` }));
    const result = withAuth(page, async (auth) => {
      const refresh = auth.refreshTokens().catch((error) => error.code);
      const logout = await auth.logout().catch((error) => [error.code, error.logoutUrl]);
      await fetch("/robots.txt"); // tells the test that signing out is through
      return { logout, refresh: await refresh, expiresAt: auth.tokenExpiresAt() };
    });
    await page.waitForResponse("**/robots.txt");
    late.release();
    assert.deepEqual(await result, {
      logout: ["store_unavailable", `${gateway.origin}/cognito/logout`], refresh: "session_required", expiresAt: null,
    });
  });

  scenario("a token with 60 seconds left is renewed, one with 61 is not", { signedIn: true, context: {} }, async ({ gateway, page, open }) => {
    await page.clock.install({ time: 1_790_000_000_000 });
    await open(BARE);
    await page.clock.pauseAt(1_790_000_100_000);
    gateway.expiresIn = 600;
    const validate = () => withAuth(page, (auth) => auth.validateTokenBeforeRequest());
    await validate();
    assert.equal(await withAuth(page, (auth) => auth.tokenExpiresAt()), 1_790_000_700_000);
    await page.clock.pauseAt(1_790_000_639_000);
    await validate();
    assert.equal(gateway.count("/auth/refresh"), 1);
    await page.clock.pauseAt(1_790_000_640_000);
    await validate();
    assert.equal(gateway.count("/auth/refresh"), 2);
  });

  scenario("a token that comes with little life is not asked for again at once", { signedIn: true }, async ({ gateway, page, open }) => {
    gateway.expiresIn = 20;
    await open(BARE);
    await withAuth(page, async (auth) => { for (let i = 0; i < 5; i += 1) await auth.validateTokenBeforeRequest(); });
    assert.equal(gateway.count("/auth/refresh"), 1);
  });

  scenario("while the gateway cannot renew, the old token serves to its end and no longer", { signedIn: true, context: {} }, async ({ gateway, page, open }) => {
    await page.clock.install({ time: 1_790_000_000_000 });
    await open(BARE);
    await page.clock.pauseAt(1_790_000_100_000);
    gateway.expiresIn = 600;
    await withAuth(page, (auth) => auth.refreshTokens());
    gateway.answer("/auth/refresh", failure(503, "idp_unavailable"), failure(503, "idp_unavailable"));
    await page.clock.pauseAt(1_790_000_699_000);
    assert.equal(await withAuth(page, (auth) => auth.validateTokenBeforeRequest()), "token-1");
    await page.clock.pauseAt(1_790_000_700_000);
    const after = await withAuth(page, (auth) => auth.validateTokenBeforeRequest());
    assert.deepEqual([after.code, after.isPassing, after.needsSignIn], ["idp_unavailable", true, false]);
  });
});

describe("auth.js: apiCall", { concurrency: 4 }, () => {
  const hello = (page) => withAuth(page, async (auth) => {
    const response = await auth.apiCall("/hello");
    return { status: response.status, body: await response.json() };
  });

  scenario("fetches a token first and sends it as Bearer, without cookies", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    const { status, body } = await hello(page);
    assert.deepEqual([status, body.sub], [200, USER.sub]);
    assert.deepEqual(gateway.calls.map((call) => call.path).filter((path) => /refresh|api:/.test(path)), ["/auth/refresh", "api:/hello"]);
    assert.equal(gateway.calls.at(-1).headers.authorization, "Bearer token-1");
  });

  scenario("a 401 is answered by one forced refresh and one more try", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    await hello(page);
    gateway.answer("api:/hello", { status: 401, body: {} });
    const { status } = await hello(page);
    assert.equal(status, 200);
    const [first, second] = gateway.calls.filter((call) => call.path === "api:/hello").slice(1);
    assert.deepEqual([first, second].map((call) => call.headers.authorization), ["Bearer token-1", "Bearer token-2"]);
    assert.deepEqual(gateway.calls.filter((call) => call.path === "/auth/refresh").map((call) => call.body), ["", '{"force":true}']);
  });

  scenario("a second 401 is handed on: never a third try", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    const refusal = { status: 401, body: { message: "no" } };
    gateway.answer("api:/hello", refusal, refusal);
    assert.equal((await hello(page)).status, 401);
    assert.equal(gateway.count("api:/hello"), 2);
    assert.equal(gateway.count("/auth/refresh"), 2);
  });

  scenario("calls refused together share the forced refresh", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    await withAuth(page, (auth) => auth.refreshTokens());
    gateway.retireTokens();
    const statuses = await withAuth(page, async (auth) => {
      const responses = await Promise.all([1, 2, 3].map(() => auth.apiCall("/hello")));
      return responses.map((response) => response.status);
    });
    assert.deepEqual(statuses, [200, 200, 200]);
    assert.equal(gateway.count("/auth/refresh"), 2);
  });

  scenario("a call refused after the token was renewed only tries again", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    const late = held();
    gateway.answer("api:/hello", { status: 401, body: {}, wait: late.wait });
    const result = hello(page);
    await until(() => gateway.count("api:/hello") === 1, "the call");
    await withAuth(page, (auth) => auth.refreshTokens({ force: true }));
    late.release();
    assert.equal((await result).status, 200);
    assert.equal(gateway.count("/auth/refresh"), 2);
  });

  scenario("other failures of the API are handed on as they are", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    gateway.answer("api:/hello", { status: 403, body: {} });
    assert.equal((await hello(page)).status, 403);
    assert.equal(gateway.count("api:/hello"), 1);
    assert.equal(gateway.count("/auth/refresh"), 1);
  });

  scenario("an ended session is told, and the API is not asked", {}, async ({ gateway, page, open }) => {
    await open(BARE);
    const result = await hello(page);
    assert.deepEqual([result.code, result.needsSignIn], ["session_required", true]);
    assert.equal(gateway.count("api:/hello"), 0);
    assert.equal(page.url(), gateway.origin + BARE);
  });

  scenario("a path that leads away from apiUrl never gets the token", { signedIn: true }, async ({ gateway, page, open }) => {
    await open(BARE);
    gateway.answer("/config", () => ({
      body: { apiUrl: `${gateway.apiUrl}/v1`, wsUrl: null, cognitoDomain: gateway.origin, redirectUri: `${gateway.origin}/x`, clientId: "c" },
    }));
    const paths = ["//127.0.0.1:1/", "/\\127.0.0.1:1/", "https://127.0.0.1:1/", "hello", "", "/../hello", "/%2e%2e/hello", ".evil.example/", "@evil.example/"];
    for (const path of paths) {
      const result = await withAuth(page, async (auth, path) => (await auth.apiCall(path)).status, path);
      assert.equal(result.threw, "TypeError", path);
    }
    assert.equal(gateway.calls.some((call) => call.headers.authorization), false);
  });
});

describe("auth.js: answers and errors", { concurrency: 4 }, () => {
  const cases = [
    ["401 asks for sign-in", failure(401, "session_expired"),
      { code: "session_expired", status: 401, loginUrl: "/auth/login", requestId: "req-0001", needsSignIn: true, isPassing: false, retryAfterSecs: null }],
    ["401 refresh_rejected asks for sign-in", failure(401, "refresh_rejected"), { needsSignIn: true, isPassing: false }],
    ["503 passes and says when", failure(503, "store_unavailable", { headers: { "Retry-After": "7" } }),
      { code: "store_unavailable", status: 503, needsSignIn: false, isPassing: true, retryAfterSecs: 7 }],
    ["503 without Retry-After waits 10 s", failure(503, "idp_throttled"), { isPassing: true, retryAfterSecs: 10 }],
    ["an absurd Retry-After is cut", failure(503, "idp_unavailable", { headers: { "Retry-After": "86400" } }), { retryAfterSecs: 300 }],
    ["504 passes", failure(504, "idp_timeout"), { code: "idp_timeout", needsSignIn: false, isPassing: true }],
    ["500 is neither", failure(500, "idp_misconfigured"), { code: "idp_misconfigured", needsSignIn: false, isPassing: false }],
    ["a 401 that is not the gateway's signs nobody out", { status: 401, body: "<h1>no</h1>" }, { code: "unexpected_answer", needsSignIn: false }],
    ["HTML with 200 is no success", { body: "<h1>hello</h1>" }, { code: "unexpected_answer", needsSignIn: false, isPassing: false }],
    ["HTML with 502 passes", { status: 502, body: "<h1>bad gateway</h1>" }, { code: "unexpected_answer", isPassing: true }],
    ["an answer cut short passes", { cutShort: true, headers: { "Content-Length": "99" }, body: "{" },
      { code: "network_error", status: 0, needsSignIn: false, isPassing: true }],
    ["a redirect is not followed", { status: 302, headers: { Location: "/config" } }, { code: "network_error" }],
    ["a token without an end is no success", { body: { success: true, access_token: "x" } }, { code: "unexpected_answer" }],
  ];
  scenario("each failure is told apart: ended, passing, neither", {}, async ({ gateway, page, open }) => {
    await open(BARE);
    for (const [name, answer, expected] of cases) {
      if (answer.cutShort || answer.status === 302) gateway.failures += 1; // Chromium reports these too
      gateway.answer("/auth/refresh", answer);
      const result = await withAuth(page, (auth) => auth.refreshTokens());
      assert.equal(result.threw, "AuthError", name);
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, result[key]])), expected, name);
    }
  });

  scenario("validateConfig takes the contract's answer and refuses what is unsafe or missing", {}, async ({ page, open }) => {
    await open(BARE);
    const good = {
      apiUrl: "https://api.example.com/v1", wsUrl: "wss://ws.example.com", cognitoDomain: "https://auth.example.com",
      redirectUri: "https://app.example.com/auth/callback", clientId: "c",
    };
    const accepted = [{}, { apiUrl: null, wsUrl: null }, { apiUrl: "http://127.0.0.1:9401" }, { apiUrl: "http://localhost:1", wsUrl: "ws://localhost:1" }];
    const refused = [
      { apiUrl: "http://api.example.com" }, { apiUrl: "http://127.0.0.1.example.com" }, { apiUrl: "/api" }, { apiUrl: "javascript:alert(1)" }, { apiUrl: 1 },
      { wsUrl: "ws://ws.example.com" }, { cognitoDomain: null }, { redirectUri: undefined }, { clientId: "" }, { clientId: null },
    ];
    const check = (change) => withAuth(page, (auth, config) => auth.validateConfig(config), { ...good, ...change });
    for (const change of accepted) assert.deepEqual(await check(change), { ...good, ...change });
    for (const change of refused) assert.equal((await check(change)).code, "config_invalid", JSON.stringify(change));
    for (const other of [null, "text"]) {
      assert.equal((await withAuth(page, (auth, config) => auth.validateConfig(config), other)).code, "config_invalid");
    }
  });

  scenario("a failed /config is asked for again, a good one once", {}, async ({ gateway, page, open }) => {
    await open(BARE);
    gateway.answer("/config", failure(503, "store_unavailable"));
    const first = await withAuth(page, (auth) => auth.loadConfig());
    assert.equal(first.code, "store_unavailable");
    await withAuth(page, (auth) => Promise.all([auth.loadConfig(), auth.loadConfig()]));
    await withAuth(page, (auth) => auth.loadConfig());
    assert.equal(gateway.count("/config"), 2);
  });

  scenario("getAuthorizationCode wants one code and one state", {}, async ({ page, open }) => {
    await open("/?code=here&state=there");
    assert.deepEqual(await withAuth(page, (auth) => auth.getAuthorizationCode()), { code: "here", state: "there" });
    const rows = [
      ["?code=a&state=b", { code: "a", state: "b" }], ["?state=b%2B&code=a%20c", { code: "a c", state: "b+" }],
      ["", null], ["?code=a", null], ["?state=b", null], ["?code=&state=b", null], ["?code=a&state=", null],
      ["?code=a&code=b&state=c", null], ["?code=a&state=b&state=b", null], ["#code=a&state=b", null],
    ];
    for (const [query, expected] of rows) {
      const url = `https://app.example.com/signed-in.html${query}`;
      assert.deepEqual(await withAuth(page, (auth, url) => auth.getAuthorizationCode(url), url), expected, query);
    }
  });

  scenario("redirectToLogin leaves once, with path, query, fragment and language", {}, async ({ gateway, page, open }) => {
    const loginPage = { body: "login page", headers: { "Content-Type": "text/plain" } };
    gateway.answer("/auth/login", loginPage);
    await open("/?lang=ko&view=a%20b#part");
    // Not awaited inside: the answer may be lost with the page that is being left.
    await page.evaluate(() => { import("/assets/auth.js").then((auth) => { auth.redirectToLogin(); auth.redirectToLogin("/other"); }); });
    await page.waitForURL("**/auth/login?**");
    assert.equal(await text(page, "body"), "login page");
    const logins = gateway.calls.filter((call) => call.path === "/auth/login").map((call) => Object.fromEntries(call.query));
    assert.deepEqual(logins, [{ return_to: "/?lang=ko&view=a%20b#part", lang: "ko" }]);
  });

  scenario("loginUrl passes on what Cognito understands", {}, async ({ page, open }) => {
    await open(BARE);
    const options = { identityProvider: "Google", loginHint: "dana@example.com", prompt: "login", lang: "ko" };
    const url = await withAuth(page, (auth, options) => auth.loginUrl("/app/?a=1&b=2", options), options);
    assert.deepEqual(Object.fromEntries(new URL(url, "http://x").searchParams), {
      return_to: "/app/?a=1&b=2", lang: "ko", identity_provider: "Google", login_hint: "dana@example.com", prompt: "login",
    });
  });
});

describe("signing in", { concurrency: 4 }, () => {
  scenario("from the landing page to the app, and nothing is left behind", {}, async ({ gateway, context, page, open }) => {
    await open("/");
    await shows(page, "#session-state", "You are signed out.");
    assert.equal(gateway.count("/user-info"), 0, "the landing page provoked a 401");
    await page.click("#sign-in");
    await page.waitForURL(`${gateway.origin}/app/`);
    await shows(page, "#user-email", USER.email);
    await until(async () => Number(await text(page, "#token-expiry")) > 3500, "the token");
    await page.click("#call-api");
    await shows(page, "#api-result", "Hello from the API");

    const left = await page.evaluate(async () => ({
      local: localStorage.length, session: sessionStorage.length, cookie: document.cookie, databases: (await indexedDB.databases()).length,
      caches: (await caches.keys()).length, name: window.name, state: history.state,
    }));
    assert.deepEqual(left, { local: 0, session: 0, cookie: "", databases: 0, caches: 0, name: "", state: null });
    assert.deepEqual((await context.cookies()).map((cookie) => [cookie.name, cookie.httpOnly]), [["edgegate-session", true]]);

    const { entries } = await (await context.newCDPSession(page)).send("Page.getNavigationHistory");
    const visited = entries.map((entry) => entry.url).filter((url) => url.startsWith(gateway.origin));
    assert.deepEqual(visited, [`${gateway.origin}/`, `${gateway.origin}/app/`]);
    assert.equal(gateway.count("/auth/token"), 1);
  });

  scenario("the code leaves the address bar before the gateway is asked", {}, async ({ gateway, page, open }) => {
    const token = held();
    const state = gateway.beginLogin("/app/");
    gateway.answer("/auth/token", { ...failure(400, "code_rejected"), wait: token.wait }, failure(400, "login_expired"));
    await open(`/signed-in.html?code=code-1&state=${state}`);
    await until(() => gateway.count("/auth/token") === 1, "the exchange");
    assert.equal(page.url(), `${gateway.origin}/signed-in.html`);
    assert.equal(await page.locator("#lang-toggle").getAttribute("href"), "/signed-in.html?lang=ko");
    assert.equal(gateway.calls.some((call) => call.headers.referer?.includes("code-1")), false);
    token.release();
    await shows(page, "#notice", "code_rejected");
  });

  scenario("a deep link survives the login and is shown", {}, async ({ gateway, page, open }) => {
    await open("/app/?view=reports&month=11");
    await page.waitForURL(`${gateway.origin}/app/?view=reports&month=11`);
    await shows(page, "#deep-link", /^\/app\/\?view=reports&month=11$/);
    await shows(page, "#user-email", USER.email);
  });

  scenario("after the login only a path on this site is gone to", { signedIn: true }, async ({ gateway, page, open }) => {
    const rows = [
      ["/app/?a=1", "/app/?a=1"], ["https://evil.example/", "/"], ["//evil.example/", "/"], ["/.//evil.example/", "/"],
      ["javascript:alert(1)", "/"], [null, "/"],
    ];
    for (const [location, path] of rows) {
      gateway.answer("/auth/token", { ...ok("token-1"), headers: location === null ? {} : { Location: location } });
      await open("/signed-in.html?code=code-1&state=x");
      await page.waitForURL(gateway.origin + path);
      await shows(page, path === "/" ? "#signed-in-as" : "#user-email", USER.email);
    }
  });

  scenario("a refused exchange says why and offers another login", {}, async ({ gateway, page, open }) => {
    const rows = [
      ["code_rejected", 400, "was used already or has expired"], ["state_mismatch", 400, "not one of the last that this browser has begun"],
      ["login_expired", 400, "took too long"], ["idp_unavailable", 503, "not available just now"],
      ["idp_misconfigured", 500, "The sign-in failed."], ["constructor", 500, "The sign-in failed."],
    ];
    let asked = 0;
    for (const [index, [code, status, sentence]] of rows.entries()) {
      // A refused code is asked for once more; the first failure is the one that is told.
      const answers = code === "code_rejected" ? [failure(status, code), failure(400, "login_expired")] : [failure(status, code)];
      gateway.answer("/auth/token", ...answers);
      asked += answers.length;
      await open(`/signed-in.html?code=code-1&state=${index}`);
      await shows(page, "#notice", sentence);
      assert.equal(await text(page, "#notice .error-code"), code);
      assert.match(await text(page, "#notice"), /req-0001/);
      assert.equal(await page.locator("#sign-in").getAttribute("href"), "/auth/login?return_to=%2Fapp%2F&lang=en");
      assert.equal(await page.locator("#sign-in").isVisible(), true);
      assert.equal(gateway.count("/auth/token"), asked);
    }
  });

  scenario("a code that another call has spent is asked for once more, and that call's session answers", { signedIn: true }, async ({ gateway, page, open }) => {
    gateway.answer("/auth/token", failure(400, "code_rejected"), { ...ok("token-1"), headers: { Location: "/app/?a=1" } });
    await open("/signed-in.html?code=code-1&state=x");
    await page.waitForURL(`${gateway.origin}/app/?a=1`);
    await shows(page, "#user-email", USER.email);
    assert.equal(gateway.count("/auth/token"), 2);
  });

  scenario("what Cognito sends as an error is told in our words, and nothing of it is shown", {}, async ({ gateway, page, open }) => {
    for (const query of ["error=access_denied&error_description=Evil+words&state=x", "error=%3Cimg%20src%3Dx%3EEvil&code=code-1&state=x"]) {
      await open(`/signed-in.html?${query}`);
      await shows(page, "#notice", "The sign-in was not completed.");
      assert.doesNotMatch(await page.content(), /evil|access_denied/i);
      assert.equal(page.url(), `${gateway.origin}/signed-in.html`);
      assert.equal(await page.locator("#sign-in").isVisible(), true);
      assert.equal(gateway.count("/auth/token"), 0);
    }
  });

  scenario("a repeated code is not spent", {}, async ({ gateway, page, open }) => {
    await open("/signed-in.html?code=code-1&code=code-2&state=x");
    await shows(page, "#notice", "no sign-in to complete");
    assert.equal(gateway.count("/auth/token"), 0);
  });

  scenario("the page reloaded by someone who is signed in goes to the start page", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/signed-in.html");
    await page.waitForURL(`${gateway.origin}/`);
    await shows(page, "#signed-in-as", USER.email);
  });

  scenario("the #_=_ that Facebook leaves is taken out of the address, and nothing else is", { signedIn: true }, async ({ page, open }) => {
    for (const [arrived, stays] of [
      ["/app/?view=reports#_=_", "/app/?view=reports"], ["/app/#_=_", "/app/"], ["/app/#_=_x", "/app/#_=_x"], ["/app/#a", "/app/#a"], ["/app/#", "/app/#"],
    ]) {
      await open("/robots.txt");
      await open(arrived);
      await shows(page, "#greeting", "Dana Kim");
      assert.equal(await page.evaluate(() => location.pathname + location.search + (location.href.endsWith("#") ? "#" : location.hash)), stays);
      assert.equal(await text(page, "#deep-link"), stays.replace(/#$/, ""));
    }
  });

  scenario("taking #_=_ away keeps what the page has put into its history, and adds no step to it", { context: {} }, async ({ page, open }) => {
    await open(BARE);
    const result = await page.evaluate(async () => {
      history.replaceState({ of: "the page" }, "", "#_=_");
      const steps = history.length;
      await import("/assets/auth.js");
      return { state: history.state, more: history.length - steps, hash: location.hash };
    });
    assert.deepEqual(result, { state: { of: "the page" }, more: 0, hash: "" });
  });
});

describe("the app page", { concurrency: 4 }, () => {
  scenario("shows the user, the token's countdown and the session's end", { signedIn: true, context: {} }, async ({ page, open }) => {
    await page.clock.install();
    await open("/app/");
    await shows(page, "#greeting", "Hello, Dana Kim");
    assert.deepEqual(await page.locator("#user-groups li").allInnerTexts(), ["admin", "staff"]);
    await shows(page, "#token-expiry", /^3(600|59\d)$/);
    const before = Number(await text(page, "#token-expiry"));
    await page.clock.runFor(30_000);
    const secs = Number(await text(page, "#token-expiry"));
    assert.ok(secs <= before - 29 && secs >= before - 40, `${before} then ${secs}`);
    const end = await page.locator("#session-end").getAttribute("datetime");
    assert.ok(Math.abs(Date.parse(end) - Date.now() - 432_000_000) < 20_000, end);
    assert.equal(await page.locator("#link-admin").getAttribute("href"), "/admin/");
  });

  scenario("writes what it is given as text", { signedIn: true, user: { ...USER, name: "<img src=x onerror=alert(1)>", email: null, groups: ["<b>g</b>"] } },
    async ({ page, open }) => {
      await open("/app/");
      await shows(page, "#user-name", "<img src=x onerror=alert(1)>");
      await shows(page, "#user-email", "–");
      assert.deepEqual(await page.locator("#user-groups li").allInnerTexts(), ["<b>g</b>"]);
      assert.equal(await page.locator("main img, main b").count(), 0);
    });

  scenario("says so where a user has no groups", { signedIn: true, user: { ...USER, groups: [] } }, async ({ page, open }) => {
    await open("/app/");
    await shows(page, "[data-user-empty=groups]", "None");
  });

  scenario("renews the token shortly before its end, once", { signedIn: true, context: {} }, async ({ gateway, page, open }) => {
    gateway.expiresIn = 600;
    await page.clock.install();
    await open("/app/");
    await shows(page, "#token-expiry", /^(600|59\d)$/);
    await page.clock.fastForward(500_000);
    await page.clock.runFor(3_000);
    await settle(page);
    assert.equal(gateway.count("/auth/refresh"), 1);
    await page.clock.fastForward(50_000);
    await page.clock.runFor(3_000);
    await until(async () => Number(await text(page, "#token-expiry")) > 500, "the renewed token");
    await page.clock.runFor(10_000);
    await settle(page);
    assert.equal(gateway.count("/auth/refresh"), 2);
  });

  scenario("renews a token that lives for seconds every five seconds at most", { signedIn: true, context: {} }, async ({ gateway, page, open }) => {
    gateway.expiresIn = 4;
    await page.clock.install({ time: 1_790_000_000_000 });
    await open("/app/");
    await shows(page, "#token-expiry", /\d/);
    await page.clock.pauseAt(1_790_000_100_000);
    await settle(page);
    const count = gateway.count("/auth/refresh");
    await page.clock.runFor(4_000);
    await settle(page);
    assert.equal(gateway.count("/auth/refresh"), count);
    await page.clock.runFor(2_000);
    await until(() => gateway.count("/auth/refresh") === count + 1, "the renewal");
  });

  scenario("renews nothing while out of view, and does on coming back", { signedIn: true, context: {} }, async ({ gateway, page, open }) => {
    gateway.expiresIn = 600;
    await page.addInitScript(() => {
      window.view = "visible";
      Object.defineProperty(document, "visibilityState", { get: () => window.view });
    });
    const setView = (view) => page.evaluate((view) => {
      window.view = view;
      document.dispatchEvent(new Event("visibilitychange"));
    }, view);
    await page.clock.install();
    await open("/app/");
    await shows(page, "#token-expiry", /^(600|59\d)$/);
    await setView("hidden");
    await page.clock.fastForward(580_000);
    await page.clock.runFor(5_000);
    await settle(page);
    assert.equal(gateway.count("/auth/refresh"), 1);
    await setView("visible");
    await until(async () => {
      await page.clock.runFor(1_000);
      return gateway.count("/auth/refresh") === 2;
    }, "the renewal");
  });

  scenario("Refresh now asks Cognito for a new token", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/app/");
    await shows(page, "#token-expiry", /\d/);
    await page.click("#refresh");
    await shows(page, "#refresh-result", "Refreshed.");
    assert.equal(gateway.calls.findLast((call) => call.path === "/auth/refresh").body, '{"force":true}');
  });

  scenario("a passing failure keeps the page and is tried again when the gateway said", { signedIn: true, context: {} }, async ({ gateway, page, open }) => {
    await page.clock.install();
    gateway.answer("/auth/refresh", failure(503, "idp_unavailable", { headers: { "Retry-After": "30" } }));
    await open("/app/");
    await shows(page, "#notice", "You are still signed in");
    assert.equal(await text(page, "#notice .error-code"), "idp_unavailable");
    assert.equal(await text(page, "#user-email"), USER.email);
    assert.equal(await page.locator("#notice a").count(), 0, "a passing failure must not offer sign-in");
    await page.clock.runFor(25_000);
    await settle(page);
    assert.equal(gateway.count("/auth/refresh"), 1);
    await page.clock.runFor(6_000);
    await shows(page, "#token-expiry", /\d/);
    assert.equal(gateway.count("/auth/refresh"), 2);
    await until(async () => (await text(page, "#notice")) === "", "the notice to go");
    assert.equal(page.url(), `${gateway.origin}/app/`);
    assert.equal(gateway.count("/auth/login"), 0);
  });

  scenario("no answer at all is told as such", { signedIn: true }, async ({ gateway, context, page, open }) => {
    await open("/app/");
    await shows(page, "#token-expiry", /\d/);
    await context.setOffline(true);
    gateway.failures += 1;
    await page.click("#refresh");
    await shows(page, "#notice", "could not be reached");
    assert.equal(await text(page, "#notice .error-code"), "network_error");
    await context.setOffline(false);
  });

  scenario("an ended session offers sign-in, stays on the page and asks no more", { signedIn: true, context: {} }, async ({ gateway, page, open }) => {
    await page.clock.install();
    await open("/app/?view=reports");
    await shows(page, "#token-expiry", /\d/);
    gateway.answer("/auth/refresh", failure(401, "refresh_rejected"));
    await page.click("#refresh");
    await shows(page, "#notice", "Your session has ended");
    assert.equal(await page.locator("#sign-in").getAttribute("href"), "/auth/login?return_to=%2Fapp%2F%3Fview%3Dreports&lang=en");
    assert.equal(await text(page, "#token-expiry"), "–");
    const { length } = gateway.calls;
    await page.clock.runFor(120_000);
    await settle(page);
    assert.equal(gateway.calls.length, length);
    assert.equal(page.url(), `${gateway.origin}/app/?view=reports`);
    await page.click("#sign-in");
    await page.waitForURL(`${gateway.origin}/app/?view=reports`);
    await shows(page, "#token-expiry", /\d/);
  });

  scenario("a session that ends in the background is not asked for again", { signedIn: true, context: {} }, async ({ gateway, page, open }) => {
    await page.clock.install();
    gateway.answer("/auth/refresh", failure(401, "session_expired"));
    await open("/app/");
    await shows(page, "#notice", "Your session has ended");
    const { length } = gateway.calls;
    await page.clock.runFor(400_000);
    await settle(page);
    assert.equal(gateway.calls.length, length);
    assert.equal(page.url(), `${gateway.origin}/app/`);
  });

  scenario("a sign-out in another tab is noticed on coming back", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/app/");
    await shows(page, "#token-expiry", /\d/);
    gateway.endSessions();
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await shows(page, "#notice", "Your session has ended");
    assert.equal(gateway.failures, 0, "asked by way of a 401");
  });

  scenario("the API's answer is shown; a passing failure is told gently", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/app/");
    await page.click("#call-api");
    await shows(page, "#api-result", "The API answered 200.");
    await shows(page, "#api-result pre", USER.sub);
    gateway.answer("api:/hello", { status: 401, body: {} });
    gateway.answer("/auth/refresh", failure(504, "idp_timeout"));
    await page.click("#call-api");
    await shows(page, "#api-result", "You are still signed in; try again in a moment. (idp_timeout)");
  });

  scenario("without an API says so", { signedIn: true }, async ({ gateway, page, open }) => {
    gateway.answer("/config", { body: { apiUrl: null, wsUrl: null, cognitoDomain: gateway.origin, redirectUri: `${gateway.origin}/x`, clientId: "c" } });
    await open("/app/");
    await page.click("#call-api");
    await shows(page, "#api-result", "No API is configured");
  });

  scenario("where tokens stay at the gateway, everything but the API works, and that is said", { signedIn: true, browserTokens: "none" },
    async ({ gateway, page, open }) => {
      await open("/app/");
      await shows(page, "#user-email", USER.email);
      await shows(page, "#token-expiry", /^3(600|59\d)$/);
      await page.click("#call-api");
      await shows(page, "#api-result", "keeps tokens away from the browser");
      assert.equal(gateway.count("api:/hello"), 0);
      assert.equal(gateway.count("/auth/refresh"), 1, "asked again for a token that is never given");
      await page.click("#refresh");
      await shows(page, "#refresh-result", "Refreshed.");
      assert.equal(await text(page, "#notice"), "");
    });

  for (const [button, path, done] of [
    ["#refresh", "/auth/refresh", ["#refresh-result", "Refreshed."]],
    ["#call-api", "api:/hello", ["#api-result", "The API answered 200."]],
  ]) {
    scenario(`${button} keeps the focus while it works and afterwards, and works once at a time`, { signedIn: true }, async ({ gateway, page, open }) => {
      await open("/app/");
      await shows(page, "#token-expiry", /\d/);
      const before = gateway.count(path);
      const answer = held();
      if (button === "#refresh") gateway.answer(path, { ...ok("token-2"), wait: answer.wait });
      else gateway.answer(path, { body: { message: "Hello" }, wait: answer.wait });
      await page.focus(button);
      await page.keyboard.press("Enter");
      await until(() => gateway.count(path) === before + 1, "the request");
      assert.equal(await page.locator(button).getAttribute("aria-disabled"), "true");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.id), button.slice(1), "while it works");
      answer.release();
      await shows(page, ...done);
      assert.equal(await page.evaluate(() => document.activeElement.id), button.slice(1), "afterwards");
      assert.equal(await page.locator(button).getAttribute("aria-disabled"), null);
      await settle(page);
      assert.equal(gateway.count(path), before + 1, "the second press asked nothing");
    });
  }

  scenario("what the API answers can be scrolled with the keyboard, and has a name", { signedIn: true }, async ({ page, open }) => {
    await open("/app/");
    await page.click("#call-api");
    await shows(page, "#api-result pre", USER.sub);
    const region = page.getByRole("region", { name: "Answer of the API" });
    assert.equal(await region.evaluate((element) => element.tagName), "PRE");
    await page.keyboard.press("Tab");
    assert.equal(await region.evaluate((element) => element === document.activeElement), true, "the next stop of the keyboard");
  });
});

describe("signing out", { concurrency: 4 }, () => {
  scenario("ends the session and goes to Cognito", { signedIn: true }, async ({ gateway, context, page, open }) => {
    await open("/app/");
    await page.click("#sign-out");
    await page.waitForURL(`${gateway.origin}/cognito/logout`);
    assert.equal(gateway.calls.find((call) => call.path === "/auth/logout").headers.accept, "application/json");
    assert.deepEqual(await context.cookies(), []);
  });

  scenario("going back after signing out shows nothing of the user", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/app/");
    await shows(page, "#user-email", USER.email);
    await page.click("#sign-out");
    await page.waitForURL(`${gateway.origin}/cognito/logout`);
    await page.goBack();
    await shows(page, "#notice", "Your session has ended");
    assert.doesNotMatch(await text(page, "body"), /Dana|dana@/);
  });

  scenario("a page out of the back/forward cache is loaded anew, through the gate", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/app/");
    await shows(page, "#user-email", USER.email);
    gateway.endSessions();
    gateway.answer("/auth/login", { body: "login page", headers: { "Content-Type": "text/plain" } });
    await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
    await page.waitForURL("**/auth/login?return_to=%2Fapp%2F");
  });

  scenario("works as a plain form without script", { signedIn: true, context: { javaScriptEnabled: false } }, async ({ gateway, context, page, open }) => {
    await open("/app/");
    await page.click("#sign-out");
    await page.waitForURL(`${gateway.origin}/cognito/logout`);
    assert.equal(gateway.count("/auth/logout"), 1);
    assert.deepEqual(await context.cookies(), []);
  });

  for (const path of ["/app/", "/admin/", "/"]) {
    scenario(`not completed by the gateway: ${path} says so, offers the link and shows nothing of the user`, { signedIn: true }, async ({ gateway, page, open }) => {
      await open(path);
      await shows(page, "[data-user=email]", USER.email);
      gateway.answer("/auth/logout", failure(503, "store_unavailable", { logoutUrl: `${gateway.origin}/cognito/logout` }));
      await page.click("#sign-out");
      await shows(page, "#notice", "Signing out was not completed.");
      assert.equal(await text(page, "#notice .error-code"), "store_unavailable");
      assert.doesNotMatch(await text(page, "body"), /Dana|dana@/);
      assert.equal(await page.locator("#sign-out").isVisible(), false);
      const { length } = gateway.calls;
      await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await settle(page);
      assert.equal(gateway.calls.length, length);
      await page.click("#finish-sign-out");
      await page.waitForURL(`${gateway.origin}/cognito/logout`);
    });
  }

  scenario("a late answer does not hide that signing out was not completed", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/app/");
    await shows(page, "#token-expiry", /\d/);
    const late = held();
    gateway.answer("/auth/status", { ...failure(503, "store_unavailable"), wait: late.wait });
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    gateway.answer("/auth/logout", failure(503, "store_unavailable", { logoutUrl: `${gateway.origin}/cognito/logout` }));
    await page.click("#sign-out");
    await shows(page, "#notice", "Signing out was not completed.");
    late.release();
    await settle(page);
    assert.match(await text(page, "#notice"), /Signing out was not completed\./);
  });

  scenario("a gateway that cannot be asked leaves the user signed in, and says so", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/app/");
    await shows(page, "#user-email", USER.email);
    gateway.answer("/auth/logout", failure(500, "internal"));
    await page.click("#sign-out");
    await shows(page, "#notice", "You are not signed out yet");
    assert.equal(await text(page, "#user-email"), USER.email);
    await page.click("#sign-out");
    await page.waitForURL(`${gateway.origin}/cognito/logout`);
  });

  scenario("has the browser's cache cleared beside it, and nobody waits for that", { signedIn: true }, async ({ gateway, page, open }) => {
    const clearing = held();
    gateway.answer("/auth/logout?clear=cache", { wait: clearing.wait, body: { success: true } });
    await open("/app/");
    await shows(page, "#greeting", "Dana Kim");
    await page.click("#sign-out");
    await page.waitForURL(`${gateway.origin}/cognito/logout`);
    await until(() => gateway.count("/auth/logout?clear=cache") === 1, "the clearing, under way after the page has gone");
    const { headers } = gateway.calls.find((call) => call.path === "/auth/logout?clear=cache");
    assert.doesNotMatch(headers.cookie ?? "", /edgegate-session/, "the session had ended before");
    clearing.release();
  });

  scenario("has the cache cleared as well where the gateway could not end the session", { signedIn: true }, async ({ gateway, page, open }) => {
    gateway.answer("/auth/logout", failure(503, "store_unavailable", { logoutUrl: `${gateway.origin}/cognito/logout` }));
    await open("/app/");
    await page.click("#sign-out");
    await shows(page, "#notice", "Signing out was not completed");
    await until(() => gateway.count("/auth/logout?clear=cache") === 1, "the clearing");
  });

  scenario("clears nothing where it did not sign out", { signedIn: true }, async ({ gateway, page, open }) => {
    gateway.answer("/auth/logout", failure(500, "internal"));
    await open("/app/");
    await page.click("#sign-out");
    await shows(page, "#notice", "You are not signed out yet");
    await settle(page);
    assert.equal(gateway.count("/auth/logout?clear=cache"), 0);
  });

  scenario("an unsafe logoutUrl is not followed", { signedIn: true }, async ({ gateway, page, open }) => {
    for (const logoutUrl of ["javascript:alert(1)", "http://evil.example/", 7]) {
      await open("/app/");
      gateway.answer("/auth/logout", { body: { success: true, logoutUrl } });
      await page.click("#sign-out");
      await shows(page, "#notice", "unexpected_answer");
      assert.equal(page.url(), `${gateway.origin}/app/`);
    }
  });
});

describe("the other pages", { concurrency: 4 }, () => {
  scenario("the landing page greets who is signed in", { signedIn: true }, async ({ page, open }) => {
    await open("/");
    await shows(page, "#signed-in-as", "Dana Kim");
    assert.equal(await page.locator("#sign-in").isVisible(), false);
    assert.equal(await page.locator("#open-app").isVisible(), true);
    assert.equal(await page.locator("#sign-out").isVisible(), true);
  });

  scenario("the landing page claims nothing while it cannot ask, and asks again", { context: {} }, async ({ gateway, page, open }) => {
    await page.clock.install();
    gateway.answer("/auth/status", failure(503, "store_unavailable", { headers: { "Retry-After": "5" } }));
    await open("/");
    await shows(page, "#session-state", "could not be checked");
    assert.doesNotMatch(await text(page, "#notice"), /signed in/);
    await page.clock.runFor(6_000);
    await shows(page, "#session-state", "You are signed out.");
  });

  scenario("the landing page takes a session that ends in between for signed out", { signedIn: true }, async ({ gateway, page, open }) => {
    gateway.answer("/user-info", failure(401, "session_expired"));
    await open("/");
    await shows(page, "#session-state", "You are signed out.");
    assert.equal(await text(page, "#notice"), "");
  });

  scenario("the landing page's sign-in needs no script", { context: { javaScriptEnabled: false } }, async ({ gateway, page, open }) => {
    gateway.answer("/auth/login", { body: "login page", headers: { "Content-Type": "text/plain" } });
    await open("/");
    await page.click("#sign-in");
    await page.waitForURL("**/auth/login?return_to=%2Fapp%2F");
  });

  scenario("the landing page says what is true where scripts are off", { context: { javaScriptEnabled: false } }, async ({ page, open }) => {
    await open("/");
    const said = await text(page, "#session-state");
    assert.match(said, /needs JavaScript/);
    assert.doesNotMatch(said, /moment/);
    assert.equal(await page.locator("#sign-in").isVisible(), true);
  });

  scenario("the admin page shows the user", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/admin/");
    await shows(page, "#user-email", USER.email);
    assert.equal(gateway.count("/auth/refresh"), 0);
  });
});

describe("languages", { concurrency: 4 }, () => {
  for (const [locale, rows] of [
    ["en-GB", [["", "en"], ["?lang=ko", "ko"], ["?lang=constructor", "en"]]],
    ["ko-KR", [["", "ko"], ["?lang=en", "en"], ["?lang=xx", "ko"]]],
    ["fr-FR", [["", "en"]]],
  ]) {
    scenario(`a ${locale} browser reads its language, or the one it asks for`, { context: { locale } }, async ({ page, open }) => {
      for (const [query, lang] of rows) {
        await open(`/${query}`);
        await shows(page, "#sign-in", { en: "Sign in", ko: "로그인" }[lang]);
        assert.equal(await page.locator("html").getAttribute("lang"), lang);
        const login = new URL(await page.locator("#sign-in").evaluate((link) => link.href));
        assert.equal(login.searchParams.get("lang"), lang);
      }
    });
  }

  scenario("the switch keeps the rest of the address", { signedIn: true }, async ({ gateway, page, open }) => {
    await open("/app/?view=reports&month=11");
    await page.click("#lang-toggle");
    await page.waitForURL(`${gateway.origin}/app/?view=reports&month=11&lang=ko`);
    await shows(page, "#greeting", "Dana Kim 님, 안녕하세요");
    assert.equal(await page.locator("#link-admin").getAttribute("href"), "/admin/?lang=ko");
    await page.click("#lang-toggle");
    await page.waitForURL(`${gateway.origin}/app/?view=reports&month=11&lang=en`);
    await shows(page, "#greeting", "Hello, Dana Kim");
  });

  for (const lang of ["en", "ko"]) {
    scenario(`no text is missing in ${lang}, on any page`, { signedIn: true }, async ({ page, open }) => {
      const keys = new Set(readFileSync(new URL("assets/app.js", STATIC), "utf8").match(/"(?:[a-z]+(?:[A-Z]\w*)?)\.[a-zA-Z]+"/g).map((key) => JSON.parse(key)));
      for (const path of ["/", "/app/", "/admin/", "/signed-in.html?error=x&"]) {
        await open(`${path}${path.includes("?") ? "" : "?"}lang=${lang}`);
        await shows(page, "body", /\S/);
        for (const key of await page.locator("[data-i18n]").evaluateAll((all) => all.map((one) => one.dataset.i18n))) keys.add(key);
      }
      const textless = await page.evaluate(async (keys) => {
        const { hasText } = await import("/assets/i18n.js");
        return keys.filter((key) => !hasText(key));
      }, [...keys].filter((key) => !key.endsWith(".js")));
      assert.ok(keys.size > 50, `found only ${keys.size} texts`);
      assert.deepEqual(textless, []);
    });
  }

  scenario("both languages have the same texts, each in its own script", {}, async ({ page, open }) => {
    const keysIn = async (lang) => {
      await open(`/?lang=${lang}`);
      return page.evaluate(async () => {
        const { t, hasText } = await import("/assets/i18n.js");
        const source = await (await fetch("/assets/i18n.js")).text();
        const keys = [...new Set(source.match(/^ {4}"[\w.]+"(?=:)/gm).map((key) => JSON.parse(key.trim())))];
        return keys.filter(hasText).map((key) => [key, t(key)]);
      });
    };
    const english = await keysIn("en");
    const korean = await keysIn("ko");
    assert.ok(english.length > 70);
    assert.deepEqual(korean.map(([key]) => key), english.map(([key]) => key));
    const unKorean = korean.filter(([key, text]) => !/[가-힣]/.test(text) && !["lang.other", "app.api"].includes(key));
    assert.deepEqual(unKorean, []);
    const placeholders = (text) => text.match(/\{\w+\}/g)?.sort() ?? [];
    for (const [index, [key, text]] of korean.entries()) assert.deepEqual(placeholders(text), placeholders(english[index][1]), key);
  });
});

describe("looks and headers", { concurrency: 4 }, () => {
  for (const colorScheme of ["light", "dark"]) {
    scenario(`text stands out by WCAG AA in the ${colorScheme} scheme`, { signedIn: true, context: { colorScheme } }, async ({ gateway, page, open }) => {
      const check = async (expected) => {
        const low = await page.evaluate(lowContrast);
        assert.ok(low.seen >= expected, `saw only ${low.seen} texts`);
        assert.deepEqual(low.faults, []);
      };
      await open("/");
      await shows(page, "#signed-in-as", USER.email);
      await check(12);
      await open("/app/");
      await page.click("#call-api");
      await shows(page, "#api-result pre", USER.sub);
      gateway.answer("/auth/refresh", failure(401, "session_expired"));
      await page.click("#refresh");
      await shows(page, "#notice", "ended");
      await page.waitForTimeout(200); // transitions of the buttons
      await check(20);
    });
  }

  scenario("nothing is wider than a small phone", { signedIn: true, context: { viewport: { width: 320, height: 640 } }, user: { ...USER, email: `${"long".repeat(20)}@example.com`, name: "W".repeat(60) } },
    async ({ page, open }) => {
      for (const path of ["/", "/app/?view=" + "x".repeat(120), "/admin/"]) {
        await open(path);
        await shows(page, "[data-user=email]", "long");
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320, path);
      }
    });

  it("the pages have no inline script or style, and load nothing from elsewhere", () => {
    const pages = readdirSync(STATIC, { recursive: true }).filter((name) => name.endsWith(".html"));
    assert.deepEqual(pages.sort(), ["admin/index.html", "app/index.html", "index.html", "signed-in.html"]);
    for (const name of pages) {
      const html = readFileSync(new URL(name, STATIC), "utf8");
      assert.doesNotMatch(html, /<style|<script(?![^>]*src=)|\sstyle=|\son\w+=|https?:\/\//i, name);
    }
    for (const name of ["app.js", "auth.js", "i18n.js"]) {
      const code = readFileSync(new URL(`assets/${name}`, STATIC), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
      assert.doesNotMatch(code, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|localStorage|sessionStorage|indexedDB|document\.cookie|\beval\b/, name);
    }
  });

  it("the policy allows the local Cognito's and API's addresses, and no more than it must", () => {
    const policy = Object.fromEntries(siteHeaders()["Content-Security-Policy"].split("; ").map((directive) => {
      const [name, ...sources] = directive.split(" ");
      return [name, sources];
    }));
    const config = readFileSync(new URL("../wrangler.toml", import.meta.url), "utf8");
    const variable = (name) => new RegExp(`^${name} = "(.*)"$`, "m").exec(config)[1];
    const onAnyPort = (name) => {
      const { protocol, hostname } = new URL(variable(name));
      return `${protocol}//${hostname}:*`;
    };
    assert.ok(policy["form-action"].includes(onAnyPort("COGNITO_DOMAIN")), "a plain form could not sign out");
    assert.ok(policy["connect-src"].includes(onAnyPort("API_URL")), "the API could not be called");
    assert.deepEqual(policy["default-src"], ["'none'"]);
    assert.deepEqual(policy["script-src"], ["'self'"]);
    assert.deepEqual(policy["style-src"], ["'self'"]);
    assert.deepEqual([policy["base-uri"], policy["frame-ancestors"]], [["'none'"], ["'none'"]]);
    const { "Content-Security-Policy": csp, ...others } = siteHeaders();
    assert.deepEqual(others, { "Cache-Control": "private, no-cache", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff" });
    assert.ok(csp.length < 2_000, "Cloudflare ignores longer lines");
  });
});

/** In the page: every visible text whose contrast with what lies behind it is below 4.5. */
function lowContrast() {
  const parse = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.a === 1) return color.rgb;
    }
    return [255, 255, 255];
  };
  const faults = [];
  let seen = 0;
  for (const element of document.body.querySelectorAll("*")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
    if (!hasText || !element.checkVisibility() || element.closest("noscript")) continue;
    seen += 1;
    const [one, two] = [luminance(parse(getComputedStyle(element).color).rgb), luminance(background(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) faults.push(`${element.tagName} "${element.textContent.trim()}": ${ratio.toFixed(2)}`);
  }
  return { seen, faults };
}
