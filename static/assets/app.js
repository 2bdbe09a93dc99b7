/**
 * The pages of the sample app: which page this is, what it shows, what its buttons do. Everything about the session is
 * in `auth.js`, every text in `i18n.js`; what comes from the gateway or the API enters the page as text only.
 *
 * @module
 */

import {
  apiCall, AuthError, exchangeCodeForTokens, fetchStatus, getAuthorizationCode, initializePage, loginUrl, logout,
  refreshTokens, tokenExpiresAt, tokenNeedsRenewal, updateUserInfo,
} from "./auth.js";
import { formatTime, hasText, t, translatePage, withLanguage } from "./i18n.js";

/** Between two renewals that nobody asked for, whatever the token's life. */
const MIN_RENEWAL_GAP_MS = 5_000;

/** When something failed in the background that is neither passing nor the session's end. */
const FAILED_RETRY_SECS = 60;

const byId = (id) => document.getElementById(id);

/** What this page knows of its session. */
const page = {
  /** Something is under way in the background, or waits to be tried again. */
  isBusy: false,
  /** The session has ended: nothing is asked for in the background, except on coming back to the tab. */
  hasEnded: false,
  /** The user has signed out here: nothing is asked for any more. */
  hasSignedOut: false,
  /** The longest token life seen, in seconds: the full length of the bar. */
  tokenLifeSecs: 1,
  renewedAt: 0,
};

const pages = { landing: openLanding, app: openApp, admin: openAdmin, "signed-in": openSignedIn };
pages[document.body.dataset.page]();

// ---------------------------------------------------------------------------------------------------------------------
// The pages

function openLanding() {
  translatePage();
  byId("sign-in").href = loginUrl(withLanguage("/app/"));
  wireSignOut();
  inBackground(showLandingSession);
  onReturn(() => inBackground(showLandingSession));
}

/** Public: asks for the state instead of running into a 401. */
async function showLandingSession() {
  let user;
  try {
    ({ user } = await initializePage());
  } catch (error) {
    if (!error.needsSignIn) {
      byId("session-state").textContent = t("landing.unknown");
      throw error;
    }
    user = null; // it ended between the two questions
  }
  byId("session-state").textContent = t(user ? "landing.signedInAs" : "landing.signedOut");
  byId("signed-in-as").hidden = byId("open-app").hidden = signOutForm().hidden = !user;
  byId("sign-in").hidden = Boolean(user);
}

function openApp() {
  translatePage();
  byId("deep-link").textContent = window.location.pathname + window.location.search + window.location.hash;
  wireSignOut();
  byId("refresh").addEventListener("click", onRefreshClick);
  byId("call-api").addEventListener("click", onCallApiClick);

  inBackground(async () => {
    await showUser();
    await renewToken();
  });
  setInterval(tick, 1_000);
  onReturn(() => inBackground(checkSession));
}

function openAdmin() {
  translatePage();
  wireSignOut();
  inBackground(showUser);
  onReturn(() => inBackground(checkSession));
}

/** The redirect URI. The code leaves the address bar, and so the history, before anything else happens. */
async function openSignedIn() {
  const callback = getAuthorizationCode();
  const wasRefused = new URLSearchParams(window.location.search).has("error");
  window.history.replaceState(null, "", withLanguage(window.location.pathname));
  translatePage();

  try {
    if (wasRefused) return showSignInFailure(t("signedIn.incomplete"));
    if (callback) {
      const { returnTo } = await exchangeCodeForTokens(callback.code, callback.state);
      return window.location.replace(returnTo);
    }
    // Reloaded, or opened by hand.
    const { authenticated } = await fetchStatus();
    if (authenticated) return window.location.replace(withLanguage("/"));
    showSignInFailure(t("signedIn.nothing"));
  } catch (error) {
    const key = `code.${error.code}`;
    showSignInFailure(t(hasText(key) ? key : "code.other"), error);
  }
}

function showSignInFailure(text, error) {
  document.title = byId("signed-in-heading").textContent = t("signedIn.failed");
  showNotice({ text, error });
  byId("sign-in").href = loginUrl(withLanguage("/app/"));
  byId("sign-in").hidden = false;
}

// ---------------------------------------------------------------------------------------------------------------------
// The session on the page

/** The gateway lets only signed-in visitors come to this page, so nobody being signed in means that it has just ended. */
async function showUser() {
  const { status, user } = await initializePage();
  if (!user) throw new AuthError("session_required", { status: 401 });
  if (byId("greeting")) byId("greeting").textContent = user.name ? t("app.hello", { name: user.name }) : t("app.heading");
  showSessionEnd(status);
}

function showSessionEnd({ expiresAt }) {
  const element = byId("session-end");
  if (!element || !Number.isFinite(expiresAt)) return;
  const end = new Date(expiresAt * 1000);
  element.dateTime = end.toISOString();
  element.textContent = formatTime(end);
}

/** On coming back to a tab: the session may have ended, or begun again, in another one. */
async function checkSession() {
  const status = await fetchStatus();
  if (!status.authenticated) throw new AuthError("session_required", { status: 401 });
  if (page.hasEnded) return window.location.reload();
  showSessionEnd(status);
}

async function renewToken(options) {
  page.renewedAt = Date.now();
  const { expiresIn } = await refreshTokens(options);
  page.tokenLifeSecs = Math.max(page.tokenLifeSecs, expiresIn);
  showCountdown();
}

/** Each second in view: counts down, and renews the token when its end is near. */
function tick() {
  showCountdown();
  if (document.visibilityState !== "visible" || page.hasEnded || page.hasSignedOut || page.isBusy) return;
  if (tokenNeedsRenewal() && Date.now() - page.renewedAt >= MIN_RENEWAL_GAP_MS) inBackground(renewToken);
}

function showCountdown() {
  const expiresAt = page.hasEnded || page.hasSignedOut ? null : tokenExpiresAt();
  const secs = expiresAt === null ? 0 : Math.max(0, Math.round((expiresAt - Date.now()) / 1000));
  byId("token-expiry").textContent = expiresAt === null ? "–" : String(secs);
  byId("token-unit").hidden = expiresAt === null;
  byId("token-bar").max = page.tokenLifeSecs;
  byId("token-bar").value = secs;
}

/**
 * Work that nobody clicked for, one piece at a time. A passing failure leaves the page as it is with a gentle notice, and
 * the work is tried again when the gateway said so; the session's end offers a sign-in and stops.
 */
async function inBackground(work) {
  if (page.isBusy || page.hasSignedOut) return;
  page.isBusy = true;
  try {
    await work();
    page.isBusy = false;
    clearNotice();
  } catch (error) {
    page.isBusy = false;
    if (page.hasSignedOut) return;
    showFailure(error);
    if (!error.needsSignIn) tryAgainLater(work, error);
  }
}

async function tryAgainLater(work, error) {
  page.isBusy = true;
  await new Promise((resolve) => { setTimeout(resolve, (error.retryAfterSecs ?? FAILED_RETRY_SECS) * 1000); });
  while (document.visibilityState !== "visible") {
    await new Promise((resolve) => { document.addEventListener("visibilitychange", resolve, { once: true }); });
  }
  page.isBusy = false;
  inBackground(work);
}

/** Runs `callback` when the tab comes into view again; a page out of the back/forward cache is loaded anew. */
function onReturn(callback) {
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") callback(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
}

// ---------------------------------------------------------------------------------------------------------------------
// The buttons

async function onRefreshClick() {
  const result = byId("refresh-result");
  await whileBusy(byId("refresh"), async () => {
    result.textContent = t("app.refreshing");
    try {
      await renewToken({ force: true });
      result.textContent = t("app.refreshed");
      if (page.hasEnded) window.location.reload();
      else if (!page.isBusy) clearNotice();
    } catch (error) {
      result.textContent = "";
      showFailure(error);
      if (error.isPassing && !page.isBusy) tryAgainLater(renewToken, error);
    }
  });
}

async function onCallApiClick() {
  await whileBusy(byId("call-api"), async () => {
    showApiResult(t("app.calling"));
    try {
      const response = await apiCall("/hello");
      const body = await response.json().catch(() => null);
      showApiResult(t("api.status", { status: response.status }), body);
    } catch (error) {
      if (error.needsSignIn) {
        showApiResult();
        showFailure(error);
      } else {
        showApiResult(apiFailureText(error));
      }
    }
    showCountdown();
  });
}

function apiFailureText(error) {
  if (error.code === "token_not_available") return t("api.noToken");
  if (error.code === "api_not_configured") return t("api.notConfigured");
  return `${t(error.isPassing ? "notice.apiPassing" : "notice.failed")} (${error.code ?? "internal"})`;
}

function showApiResult(text, body = null) {
  const parts = [];
  if (text) parts.push(element("p", { className: "note", textContent: text }));
  if (body !== null) {
    // Long lines scroll, which the keyboard can do only in what it can reach.
    const answer = element("pre", { tabIndex: 0, role: "region", ariaLabel: t("api.answer"), textContent: JSON.stringify(body, null, 2) });
    parts.push(answer);
  }
  byId("api-result").replaceChildren(...parts);
}

/** The form signs out without this script too; with it, a failure can be told. */
function wireSignOut() {
  signOutForm().addEventListener("submit", async (event) => {
    event.preventDefault();
    await whileBusy(byId("sign-out"), onSignOut);
  });
}

async function onSignOut() {
  try {
    await logout();
    page.hasSignedOut = true;
  } catch (error) {
    if (!error.logoutUrl) return showNotice({ kind: "warn", text: t("notice.signOutFailed"), error });
    page.hasSignedOut = true;
    blankPage();
    showNotice({
      kind: "warn",
      text: t("notice.signOutIncomplete"),
      error,
      action: { id: "finish-sign-out", href: error.logoutUrl, text: t("action.finishSignOut") },
    });
    byId("finish-sign-out").focus(); // the button that had it is gone
  }
}

/** Nothing of the user stays in view after signing out. */
function blankPage() {
  updateUserInfo(null);
  if (byId("greeting")) byId("greeting").textContent = t("app.heading");
  if (byId("session-end")) byId("session-end").textContent = "–";
  if (byId("session-state")) byId("session-state").textContent = t("landing.signedOut");
  if (byId("api-result")) showApiResult();
  if (byId("token-expiry")) showCountdown();
  for (const id of ["refresh", "call-api"]) if (byId(id)) byId(id).disabled = true;
  if (byId("open-app")) byId("signed-in-as").hidden = byId("open-app").hidden = true;
  signOutForm().hidden = true;
}

function signOutForm() {
  return document.querySelector("form.sign-out");
}

/** Runs the work of a button, once at a time. A button that is `disabled` would lose the focus, so it only says that it is. */
async function whileBusy(button, work) {
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  try {
    await work();
  } finally {
    button.ariaDisabled = null;
    button.disabled = page.hasSignedOut;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Notices

function showFailure(error) {
  if (error.needsSignIn) {
    page.hasEnded = true;
    if (byId("token-expiry")) showCountdown();
    const action = { id: "sign-in", href: loginUrl(), text: t("action.signIn") };
    showNotice({ kind: "warn", text: t("notice.ended"), error, action });
  } else if (error.isPassing) {
    const what = t(error.code === "network_error" ? "notice.offline" : "notice.passing");
    // The landing page is there for everybody, so it cannot say that the visitor is still signed in.
    const next = t(document.body.dataset.page === "landing" ? "notice.triesAgain" : "notice.stillSignedIn");
    showNotice({ text: `${what} ${next}`, error });
  } else {
    showNotice({ kind: "warn", text: t("notice.failed"), error });
  }
}

/** One notice a page; the error's code and request stand below the sentence, for whoever has to look it up. */
function showNotice({ kind = "info", text, error, action }) {
  const content = element("div", {});
  content.append(element("p", { textContent: text }));
  if (error) {
    const reference = element("p", { className: "reference" });
    reference.append(element("code", { className: "error-code", textContent: error.code ?? "internal" }));
    if (error.requestId) reference.append(" · ", t("notice.reference", { requestId: error.requestId }));
    content.append(reference);
  }
  const parts = [content];
  if (action) {
    parts.push(element("a", { id: action.id, className: "button", href: action.href, textContent: action.text }));
  }
  byId("notice").dataset.kind = kind;
  byId("notice").replaceChildren(...parts);
}

function clearNotice() {
  byId("notice").replaceChildren();
}

function element(name, properties) {
  return Object.assign(document.createElement(name), properties);
}
