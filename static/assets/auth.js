/**
 * Sign-in for a page behind Edgegate: everything the page needs of the gateway, and nothing about how the page looks.
 *
 * The session is an HttpOnly cookie that no script can read. The access token, where the gateway gives one out, lives in
 * a variable of this module and dies with the page: it is never put into localStorage, sessionStorage, IndexedDB or a
 * cookie. A new page asks `/auth/refresh` for it again, which costs one small request.
 *
 * Three kinds of failure, told apart by `AuthError`:
 * - `error.needsSignIn`: the gateway said 401. Only then has the session ended; offer a sign-in.
 * - `error.isPassing`: Cognito, the session store or the network is in trouble for now. The user is still signed in; wait
 *   `error.retryAfterSecs` and try again.
 * - anything else is a mistake to show with its code.
 *
 * @module
 */

/** A token with less left than this is renewed before use. Less than the gateway's own margin, so that asking helps. */
const RENEW_BEFORE_END_MS = 60_000;

/** Longer than the gateway waits for Cognito, so that the gateway's own answer comes first. */
const GATEWAY_TIMEOUT_MS = 20_000;

/** The same for the exchange of a code, which may wait for another exchange of the same code. */
const EXCHANGE_TIMEOUT_MS = 40_000;

/** Time for the other exchange of the same code to set its cookie. */
const REPEAT_EXCHANGE_MS = 1000;

/** When a passing failure names no `Retry-After`. */
const DEFAULT_RETRY_AFTER_SECS = 10;

/** A longer `Retry-After` is cut to this: a page that waits an hour looks broken. */
const MAX_RETRY_AFTER_SECS = 300;

const SIGN_IN_CODES = new Set(["session_required", "session_expired", "refresh_rejected", "token_invalid"]);
const PASSING_STATUSES = new Set([429, 502, 503, 504]);

/**
 * The token of this page: `{ value, expiresAt, renewAt }`, or null before the first refresh. `value` is null where the
 * gateway keeps tokens away from browsers.
 */
let token = null;

/** The refresh under way, `{ promise, force }`, shared by everyone who asks meanwhile. */
let refreshing = null;

/** Counts sign-outs, so that a refresh which was under way cannot bring the old token back. */
let generation = 0;

/** The answer of `/config`, asked for once a page. */
let configPromise = null;

/** True once this page is on its way to the login: later callers must not start a second one. */
let leaving = false;
window.addEventListener("pageshow", () => { leaving = false; });

removeFacebookFragment();

/**
 * What went wrong, with the gateway's stable code. Codes made by this module itself: `network_error` (no answer),
 * `unexpected_answer` (not the gateway's JSON), `config_invalid`, `api_not_configured` (no `apiUrl`) and
 * `token_not_available` (the gateway keeps tokens away from browsers).
 */
export class AuthError extends Error {
  /**
   * @param {string} code stable code, fit for comparing and showing
   * @param {object} [details]
   * @param {string} [details.message] one plain sentence in English
   * @param {number} [details.status] HTTP status, 0 where there was no answer
   * @param {?string} [details.loginUrl] where to sign in; comes with 401
   * @param {?string} [details.logoutUrl] where signing out goes on; comes with a failed `/auth/logout`
   * @param {?string} [details.requestId] finds this request in the gateway's log
   * @param {?number} [details.retryAfterSecs] how long to wait, on passing failures
   */
  constructor(code, { message, status = 0, loginUrl = null, logoutUrl = null, requestId = null, retryAfterSecs = null } = {}) {
    super(message ?? code);
    this.name = "AuthError";
    this.code = code;
    this.status = status;
    this.loginUrl = loginUrl;
    this.logoutUrl = logoutUrl;
    this.requestId = requestId;
    this.retryAfterSecs = retryAfterSecs;
  }

  /** The session has ended, or there was none. */
  get needsSignIn() {
    return this.status === 401 && SIGN_IN_CODES.has(this.code);
  }

  /** It passes by itself and says nothing about the session. */
  get isPassing() {
    return this.code === "network_error" || PASSING_STATUSES.has(this.status);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Configuration

/**
 * The gateway's public configuration, fetched once a page; a failure is not remembered.
 *
 * @returns {Promise<{apiUrl: ?string, wsUrl: ?string, cognitoDomain: string, redirectUri: string, clientId: string}>}
 * @throws {AuthError} `config_invalid`, or a failure of the gateway
 */
export function loadConfig() {
  configPromise ??= callGateway("/config").then(({ body }) => validateConfig(body)).catch((error) => {
    configPromise = null;
    throw error;
  });
  return configPromise;
}

/**
 * Checks an answer of `/config`. `apiUrl` gets the access token, so it must be https; plain http passes on this very
 * machine only.
 *
 * @param {unknown} config
 * @returns {object} the five known fields, frozen
 * @throws {AuthError} `config_invalid`, naming the field
 */
export function validateConfig(config) {
  const refuse = (field) => { throw new AuthError("config_invalid", { message: `/config: ${field} is not usable` }); };
  if (typeof config !== "object" || config === null) refuse("the answer");

  const { apiUrl = null, wsUrl = null, cognitoDomain, redirectUri, clientId } = config;
  if (apiUrl !== null && !isSafeUrl(apiUrl, ["https:"], ["http:"])) refuse("apiUrl");
  if (wsUrl !== null && !isSafeUrl(wsUrl, ["wss:", "https:"], ["ws:", "http:"])) refuse("wsUrl");
  if (!isSafeUrl(cognitoDomain, ["https:"], ["http:"])) refuse("cognitoDomain");
  if (!isSafeUrl(redirectUri, ["https:"], ["http:"])) refuse("redirectUri");
  if (typeof clientId !== "string" || clientId === "") refuse("clientId");
  return Object.freeze({ apiUrl, wsUrl, cognitoDomain, redirectUri, clientId });
}

// ---------------------------------------------------------------------------------------------------------------------
// Signing in and out

/**
 * The address that starts a login.
 *
 * @param {string} [returnTo] path, query and fragment to come back to; default: the page as it stands
 * @param {object} [options]
 * @param {string} [options.lang] language of the sign-in page; default: the document's
 * @param {string} [options.identityProvider] skips the choice of provider
 * @param {string} [options.loginHint] fills in the user's name
 * @param {string} [options.prompt] OpenID `prompt`, for instance `login`
 * @returns {string} a path on this origin
 */
export function loginUrl(returnTo = currentPath(), { lang = document.documentElement.lang, identityProvider, loginHint, prompt } = {}) {
  const query = new URLSearchParams({ return_to: returnTo });
  if (lang) query.set("lang", lang);
  if (identityProvider) query.set("identity_provider", identityProvider);
  if (loginHint) query.set("login_hint", loginHint);
  if (prompt) query.set("prompt", prompt);
  return `/auth/login?${query}`;
}

/**
 * Leaves for the login. For a user's click or the opening of a page, not for background calls; however often it is
 * called, a page leaves once.
 *
 * @param {string} [returnTo] see `loginUrl`
 * @param {object} [options] see `loginUrl`
 * @returns {void}
 */
export function redirectToLogin(returnTo, options) {
  if (leaving) return;
  leaving = true;
  window.location.assign(loginUrl(returnTo, options));
}

/**
 * What Cognito sent back with the browser, on a page that is the redirect URI.
 *
 * @param {URL|Location|string} [url]
 * @returns {?{code: string, state: string}} null unless there is exactly one of each, neither empty
 */
export function getAuthorizationCode(url = window.location) {
  const query = new URL(String(url), window.location.origin).searchParams;
  const [code, ...moreCodes] = query.getAll("code");
  const [state, ...moreStates] = query.getAll("state");
  if (!code || !state || moreCodes.length > 0 || moreStates.length > 0) return null;
  return { code, state };
}

/**
 * Hands the code to the gateway, which exchanges it, checks the tokens and sets the session cookie. A code is good for
 * one try: after a failure start a new login. Two calls with the same code, at once or one after the other, both end well.
 *
 * @param {string} code
 * @param {string} state
 * @returns {Promise<{accessToken: ?string, expiresIn: number, returnTo: string}>} `returnTo` is a path on this origin
 * @throws {AuthError} `login_expired`, `state_mismatch`, `code_rejected`, … or a passing failure
 */
export async function exchangeCodeForTokens(code, state) {
  try {
    return await exchangeOnce(code, state);
  } catch (error) {
    if (error.code !== "code_rejected") throw error;
    // Another call may have spent the code elsewhere at the gateway. Then its session answers the second attempt.
    await new Promise((resolve) => { setTimeout(resolve, REPEAT_EXCHANGE_MS); });
    return exchangeOnce(code, state).catch(() => { throw error; });
  }
}

/**
 * Ends the session at the gateway, then goes to Cognito to end its sign-in too.
 *
 * @returns {Promise<void>} the page is being left
 * @throws {AuthError} with `logoutUrl` where the gateway could not end the session on its side (`store_unavailable`): the
 *   browser's cookie is gone, so this page is signed out, but the user must be told and given the link
 */
export async function logout() {
  try {
    const { body } = await callGateway("/auth/logout", { method: "POST" });
    if (!isLogoutUrl(body.logoutUrl)) throw new AuthError("unexpected_answer");
    forgetToken();
    clearCache();
    window.location.assign(body.logoutUrl);
  } catch (error) {
    if (error.logoutUrl) {
      forgetToken();
      clearCache();
    }
    throw error;
  }
}

/**
 * Has the gateway clear the browser's cache of this site, so that no gated page is left in it. Clearing takes browsers a while, and
 * whoever signs out need not wait for it: a beacon outlives the page. It ends no session, so it may arrive after the next sign-in.
 */
function clearCache() {
  window.navigator.sendBeacon("/auth/logout?clear=cache");
}

// ---------------------------------------------------------------------------------------------------------------------
// The session

/**
 * Whether there is a session, for pages that are open to all: asking provokes no 401.
 *
 * @returns {Promise<{authenticated: boolean, expiresAt: ?number, refreshAt: ?number, loginUrl: ?string}>} Unix seconds
 * @throws {AuthError} a passing failure
 */
export async function fetchStatus() {
  const { body } = await callGateway("/auth/status");
  if (typeof body.authenticated !== "boolean") throw new AuthError("unexpected_answer");
  return body;
}

/**
 * Who is signed in, from claims that the gateway has verified.
 *
 * @returns {Promise<{sub: string, email: ?string, name: ?string, groups: string[]}>} and further claims
 * @throws {AuthError} with `needsSignIn` where nobody is, or a passing failure
 */
export async function fetchUserInfo() {
  const { body } = await callGateway("/user-info");
  if (typeof body.sub !== "string") throw new AuthError("unexpected_answer");
  return { ...body, groups: Array.isArray(body.groups) ? body.groups : [] };
}

/**
 * Writes the user into the page: the text of every `[data-user="name"]`, `[data-user="email"]` or other claim, one
 * `<li>` a group into `[data-user="groups"]`; `[data-user-empty="groups"]` shows where there are none.
 *
 * @param {?object} user null blanks the page
 * @returns {void}
 */
export function updateUserInfo(user) {
  for (const element of document.querySelectorAll("[data-user]")) {
    const value = user?.[element.dataset.user];
    if (element.dataset.user === "groups") {
      element.replaceChildren(...(value ?? []).map(listItem));
    } else {
      element.textContent = value ?? "–";
    }
  }
  for (const element of document.querySelectorAll("[data-user-empty]")) {
    element.hidden = (user?.[element.dataset.userEmpty] ?? []).length > 0;
  }
}

/**
 * What a page does when it opens: asks for the session and, where there is one, writes the user into the page. It leaves
 * it to the caller what a visitor who is signed out sees; nothing here redirects.
 *
 * @returns {Promise<{status: object, user: ?object}>} see `fetchStatus` and `fetchUserInfo`
 * @throws {AuthError} a failure of either
 */
export async function initializePage() {
  const status = await fetchStatus();
  const user = status.authenticated ? await fetchUserInfo() : null;
  updateUserInfo(user);
  return { status, user };
}

// ---------------------------------------------------------------------------------------------------------------------
// The access token

/**
 * When the token of this page ends, also where the gateway keeps the token itself.
 *
 * @returns {?number} milliseconds as `Date.now()` counts them; null before the first refresh and after signing out
 */
export function tokenExpiresAt() {
  return token?.expiresAt ?? null;
}

/**
 * Whether the token of this page is missing or so near its end that the next request would renew it.
 *
 * @returns {boolean}
 */
export function tokenNeedsRenewal() {
  return token === null || Date.now() >= token.renewAt;
}

/**
 * Asks the gateway for a token. Callers at the same time share one request. The gateway gives what it has while that is
 * fresh; `force` makes it ask Cognito, which it does once in 30 seconds at most.
 *
 * @param {object} [options]
 * @param {boolean} [options.force]
 * @returns {Promise<{accessToken: ?string, expiresIn: number}>} `accessToken` is null where the gateway keeps tokens
 * @throws {AuthError} with `needsSignIn` when the session has ended, or a passing failure, which changes nothing
 */
export function refreshTokens({ force = false } = {}) {
  if (refreshing && (refreshing.force || !force)) return refreshing.promise;

  // A forced refresh waits for a plain one instead of racing it.
  const before = refreshing?.promise.catch(() => {}) ?? Promise.resolve();
  const entry = { force };
  entry.promise = before.then(() => requestToken(force)).finally(() => {
    if (refreshing === entry) refreshing = null;
  });
  refreshing = entry;
  return entry.promise;
}

/**
 * Makes sure of a living token before a request. While a passing failure keeps the gateway from renewing it, the old
 * token serves until its end.
 *
 * @returns {Promise<?string>} the access token; null where the gateway keeps tokens away from browsers
 * @throws {AuthError} as `refreshTokens`
 */
export async function validateTokenBeforeRequest() {
  if (tokenNeedsRenewal()) {
    try {
      await refreshTokens();
    } catch (error) {
      const stillLives = token !== null && Date.now() < token.expiresAt;
      if (!(error.isPassing && stillLives)) throw error;
    }
  }
  return token?.value ?? null;
}

/**
 * Calls the API with the access token. A 401 is answered by one forced refresh and one more try, never more.
 *
 * @param {string} path begins with `/`; the token goes to `apiUrl` and nowhere else
 * @param {RequestInit} [options] as for `fetch`; a body must be one that can be sent twice, so not a stream
 * @returns {Promise<Response>} whatever the API says, a second 401 included
 * @throws {AuthError} `api_not_configured`, `token_not_available`, with `needsSignIn` when the session has ended, or a
 *   passing failure
 * @throws {TypeError} on a path that leads away from `apiUrl`
 */
export async function apiCall(path, options = {}) {
  const { apiUrl } = await loadConfig();
  if (apiUrl === null) throw new AuthError("api_not_configured");
  const url = apiAddress(apiUrl, path);

  const first = await validateTokenBeforeRequest();
  if (first === null) throw new AuthError("token_not_available");
  const response = await fetchWithToken(url, options, first);
  if (response.status !== 401) return response;

  // Another call may have renewed the token while this one was on its way.
  if ((token?.value ?? first) === first) await refreshTokens({ force: true });
  const second = token?.value ?? null;
  return second === null ? response : fetchWithToken(url, options, second);
}

// ---------------------------------------------------------------------------------------------------------------------
// Inside

async function requestToken(force) {
  const startedIn = generation;
  const startedAt = Date.now();
  try {
    const { body } = await callGateway("/auth/refresh", force
      ? { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"force":true}' }
      : { method: "POST" });
    if (startedIn !== generation) throw new AuthError("session_required", { status: 401 });
    return keepToken(body, startedAt);
  } catch (error) {
    if (error.needsSignIn && startedIn === generation) token = null;
    throw error;
  }
}

/** Counts from the moment of asking, so that a slow answer does not lengthen the token's life. */
function keepToken(body, askedAt) {
  const { access_token: value = null, expires_in: expiresIn } = body;
  if (!Number.isFinite(expiresIn) || (value !== null && typeof value !== "string")) throw new AuthError("unexpected_answer");
  // Half of what is left, at most: a token that comes with little time left is not asked for again at once.
  const margin = Math.min(RENEW_BEFORE_END_MS, expiresIn * 500);
  const expiresAt = askedAt + expiresIn * 1000;
  token = { value, expiresAt, renewAt: expiresAt - margin };
  return { accessToken: value, expiresIn };
}

function forgetToken() {
  token = null;
  generation += 1;
}

async function exchangeOnce(code, state) {
  const askedAt = Date.now();
  const { response, body } = await callGateway("/auth/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code, state }),
    signal: AbortSignal.timeout(EXCHANGE_TIMEOUT_MS),
  });
  return { ...keepToken(body, askedAt), returnTo: sameOriginPath(response.headers.get("Location")) };
}

/** One request to the gateway: its JSON, or an `AuthError` that carries what the answer said. */
async function callGateway(path, init = {}) {
  let response;
  let text;
  try {
    response = await fetch(path, {
      signal: AbortSignal.timeout(GATEWAY_TIMEOUT_MS),
      ...init,
      headers: { Accept: "application/json", ...init.headers },
      credentials: "same-origin",
      redirect: "error",
    });
    text = await response.text();
  } catch {
    throw new AuthError("network_error", { retryAfterSecs: DEFAULT_RETRY_AFTER_SECS });
  }
  const body = parseObject(text);
  if (response.ok && body !== null) return { response, body };
  throw errorOf(response, body ?? {});
}

function errorOf(response, body) {
  const string = (value) => (typeof value === "string" && value !== "" ? value : null);
  return new AuthError(string(body.error) ?? "unexpected_answer", {
    message: string(body.message) ?? undefined,
    status: response.status,
    loginUrl: string(body.loginUrl),
    logoutUrl: isLogoutUrl(body.logoutUrl) ? body.logoutUrl : null,
    requestId: string(body.requestId),
    retryAfterSecs: PASSING_STATUSES.has(response.status) ? retryAfterSecs(response.headers.get("Retry-After")) : null,
  });
}

function retryAfterSecs(header) {
  const secs = /^\d+$/.test(header ?? "") ? Number(header) : DEFAULT_RETRY_AFTER_SECS;
  return Math.min(Math.max(secs, 1), MAX_RETRY_AFTER_SECS);
}

async function fetchWithToken(url, options, value) {
  const headers = new Headers(options.headers);
  headers.set("Authorization", `Bearer ${value}`);
  try {
    return await fetch(url, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error; // the caller's own signal
    throw new AuthError("network_error", { retryAfterSecs: DEFAULT_RETRY_AFTER_SECS });
  }
}

/** A path such as `/../` must not carry the token away from the API; the dot before it keeps it on the API's host. */
function apiAddress(apiUrl, path) {
  const base = new URL(apiUrl.endsWith("/") ? apiUrl : `${apiUrl}/`);
  const url = new URL(`.${path}`, base);
  if (!/^\/(?![\\/])/.test(path) || !url.pathname.startsWith(base.pathname)) {
    throw new TypeError("apiCall needs a path below apiUrl");
  }
  return url;
}

/** Where to go after a login; anything that is not plainly a path on this origin becomes `/`. */
function sameOriginPath(location) {
  const url = parseUrl(location ?? "/", window.location.origin);
  const isOurs = url?.origin === window.location.origin && !url.pathname.startsWith("//");
  return isOurs ? url.pathname + url.search + url.hash : "/";
}

/** Facebook ends its answer with `#_=_`, and browsers carry a fragment through every redirect after it. */
function removeFacebookFragment() {
  const { hash, pathname, search } = window.location;
  if (hash === "#_=_") window.history.replaceState(window.history.state, "", pathname + search);
}

function currentPath() {
  return window.location.pathname + window.location.search + window.location.hash;
}

function isLogoutUrl(value) {
  return isSafeUrl(value, ["https:"], ["http:"]);
}

/** An absolute URL with one of `schemes`, or with one of `localSchemes` on this very machine. */
function isSafeUrl(value, schemes, localSchemes) {
  const url = typeof value === "string" ? parseUrl(value) : null;
  if (url === null) return false;
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  return schemes.includes(url.protocol) || (isLocal && localSchemes.includes(url.protocol));
}

/** `URL.parse`, which is too young to rely on. */
function parseUrl(value, base) {
  try {
    return new URL(value, base);
  } catch {
    return null;
  }
}

function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function listItem(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}
