/**
 * The texts of the sample app, English and Korean. The language is `?lang=` where it is one of the two, else the
 * browser's. The pages are written in English and read well without this module.
 *
 * @module
 */

const TEXTS = {
  en: {
    "lang.other": "한국어",

    "landing.title": "Edgegate sample app",
    "landing.heading": "Sign-in at the edge, for sites on Amazon Cognito",
    "landing.lead":
      "Edgegate stands in front of a static site and does the signing in. The session is a cookie that no script can read, " +
      "and the refresh token never comes to the browser.",
    "landing.session": "Your session",
    "landing.checking": "One moment …",
    "landing.signedOut": "You are signed out.",
    "landing.signedInAs": "You are signed in as",
    "landing.signIn": "Sign in",
    "landing.open": "Open the app",
    "landing.unknown": "Your session could not be checked.",
    "landing.pages": "Three pages, three rules",
    "landing.public.name": "This page",
    "landing.public.rule": "Public",
    "landing.public.text": "Open to everybody, signed in or not.",
    "landing.app.name": "The app",
    "landing.app.rule": "Signed-in",
    "landing.app.text": "For everybody who has signed in. Visitors are sent to sign in and come back to the page they asked for.",
    "landing.deep": "Try a deep link",
    "landing.admin.name": "Administration",
    "landing.admin.rule": "Group “admin”",
    "landing.admin.text": "For members of one Cognito group. Everybody else is told plainly that they may not.",

    "nav.signOut": "Sign out",
    "nav.app": "The app",
    "nav.admin": "Administration",

    "app.title": "The app · Edgegate",
    "app.heading": "Hello",
    "app.hello": "Hello, {name}",
    "app.lead": "This page is for people who have signed in. You came to it at",
    "app.account": "Account",
    "app.name": "Name",
    "app.email": "E-mail",
    "app.groups": "Groups",
    "app.noGroups": "None",
    "app.session": "Session",
    "app.tokenExpiry": "Access token",
    "app.secondsLeft": " seconds left",
    "app.sessionEnd": "Session ends",
    "app.tokenNote": "Renewed by itself shortly before its end while this page is in view.",
    "app.refresh": "Refresh now",
    "app.refreshing": "Refreshing …",
    "app.refreshed": "Refreshed.",
    "app.api": "API",
    "app.apiText": "Calls the API with the access token of this page.",
    "app.callApi": "Call the API",
    "app.calling": "Calling …",

    "admin.title": "Administration · Edgegate",
    "admin.heading": "Administration",
    "admin.lead": "You see this page because your groups include “admin”.",
    "admin.you": "You",
    "admin.rule": "The rule",
    "admin.ruleText": "The gateway let you in by this rule. The groups come from tokens that it has verified, and each refresh brings them anew.",

    "signedIn.title": "Signing in · Edgegate",
    "signedIn.working": "Signing you in …",
    "signedIn.failed": "You are not signed in",
    "signedIn.incomplete": "The sign-in was not completed.",
    "signedIn.nothing": "There is no sign-in to complete here.",
    "signedIn.again": "Sign in again",

    "action.signIn": "Sign in again",
    "action.finishSignOut": "Finish signing out",

    "notice.ended": "Your session has ended. Sign in to go on.",
    "notice.signedOut": "You are signed out.",
    "notice.passing": "The gateway cannot reach a service it needs just now.",
    "notice.offline": "The gateway could not be reached.",
    "notice.stillSignedIn": "You are still signed in, and this page tries again by itself.",
    "notice.triesAgain": "This page tries again by itself.",
    "notice.apiPassing": "The API could not be called just now. You are still signed in; try again in a moment.",
    "notice.failed": "That did not work.",
    "notice.signOutIncomplete":
      "Signing out was not completed. This browser has forgotten your session, but the gateway could not end it on its side, " +
      "so it lives until it expires. Go on to end your sign-in at Cognito too.",
    "notice.signOutFailed": "You are not signed out yet: the gateway could not be asked. Try again.",
    "notice.reference": "request {requestId}",

    "api.status": "The API answered {status}.",
    "api.answer": "Answer of the API",
    "api.noToken": "This gateway keeps tokens away from the browser, so the page has none to call the API with. You are signed in all the same.",
    "api.notConfigured": "No API is configured for this site.",

    "code.login_expired": "This sign-in took too long, began in another browser, or was used already.",
    "code.state_mismatch": "This sign-in is not one of the last that this browser has begun.",
    "code.code_rejected": "This sign-in was used already or has expired.",
    "code.login_denied": "The sign-in was not completed.",
    "code.csrf_rejected": "The request did not come from this site’s own page.",
    "code.rate_limited": "Too many attempts. Wait a little and sign in again.",
    "code.idp_unavailable": "The sign-in service is not available just now. Wait a little and sign in again.",
    "code.idp_throttled": "The sign-in service is very busy just now. Wait a little and sign in again.",
    "code.idp_timeout": "The sign-in service took too long to answer. Wait a little and sign in again.",
    "code.store_unavailable": "The session could not be stored just now. Wait a little and sign in again.",
    "code.network_error": "The gateway could not be reached. Check your connection and sign in again.",
    "code.other": "The sign-in failed.",
  },

  ko: {
    "lang.other": "English",

    "landing.title": "Edgegate 샘플 앱",
    "landing.heading": "Amazon Cognito 사이트를 위한 엣지 로그인",
    "landing.lead":
      "Edgegate는 정적 사이트 앞에서 로그인을 대신 처리합니다. 세션은 스크립트가 읽을 수 없는 쿠키에 담기고, " +
      "갱신 토큰은 브라우저로 전달되지 않습니다.",
    "landing.session": "내 세션",
    "landing.checking": "확인하는 중 …",
    "landing.signedOut": "로그아웃된 상태입니다.",
    "landing.signedInAs": "다음 계정으로 로그인했습니다.",
    "landing.signIn": "로그인",
    "landing.open": "앱 열기",
    "landing.unknown": "세션을 확인하지 못했습니다.",
    "landing.pages": "세 페이지, 세 가지 규칙",
    "landing.public.name": "이 페이지",
    "landing.public.rule": "공개",
    "landing.public.text": "로그인하지 않아도 누구나 볼 수 있습니다.",
    "landing.app.name": "앱",
    "landing.app.rule": "로그인 필요",
    "landing.app.text": "로그인한 사람이면 누구나 볼 수 있습니다. 로그인하지 않은 방문자는 로그인한 뒤 요청한 페이지로 돌아옵니다.",
    "landing.deep": "딥 링크 열어 보기",
    "landing.admin.name": "관리",
    "landing.admin.rule": "“admin” 그룹",
    "landing.admin.text": "Cognito 그룹의 구성원만 볼 수 있습니다. 그 밖의 사람에게는 권한이 없다고 분명히 알립니다.",

    "nav.signOut": "로그아웃",
    "nav.app": "앱",
    "nav.admin": "관리",

    "app.title": "앱 · Edgegate",
    "app.heading": "안녕하세요",
    "app.hello": "{name} 님, 안녕하세요",
    "app.lead": "로그인한 사람을 위한 페이지입니다. 이 페이지를 연 주소:",
    "app.account": "계정",
    "app.name": "이름",
    "app.email": "이메일",
    "app.groups": "그룹",
    "app.noGroups": "없음",
    "app.session": "세션",
    "app.tokenExpiry": "액세스 토큰",
    "app.secondsLeft": "초 남음",
    "app.sessionEnd": "세션 종료",
    "app.tokenNote": "이 페이지를 보고 있는 동안에는 만료 직전에 자동으로 갱신됩니다.",
    "app.refresh": "지금 갱신",
    "app.refreshing": "갱신하는 중 …",
    "app.refreshed": "갱신했습니다.",
    "app.api": "API",
    "app.apiText": "이 페이지의 액세스 토큰으로 API를 호출합니다.",
    "app.callApi": "API 호출",
    "app.calling": "호출하는 중 …",

    "admin.title": "관리 · Edgegate",
    "admin.heading": "관리",
    "admin.lead": "“admin” 그룹에 속해 있어 이 페이지를 볼 수 있습니다.",
    "admin.you": "내 정보",
    "admin.rule": "적용된 규칙",
    "admin.ruleText": "게이트웨이는 이 규칙에 따라 접근을 허용했습니다. 그룹은 검증된 토큰에서 읽으며 토큰을 갱신할 때마다 새로 확인합니다.",

    "signedIn.title": "로그인 중 · Edgegate",
    "signedIn.working": "로그인하는 중 …",
    "signedIn.failed": "로그인하지 못했습니다",
    "signedIn.incomplete": "로그인이 완료되지 않았습니다.",
    "signedIn.nothing": "여기에는 완료할 로그인이 없습니다.",
    "signedIn.again": "다시 로그인",

    "action.signIn": "다시 로그인",
    "action.finishSignOut": "로그아웃 마치기",

    "notice.ended": "세션이 종료되었습니다. 계속하려면 로그인하세요.",
    "notice.signedOut": "로그아웃된 상태입니다.",
    "notice.passing": "지금은 게이트웨이가 필요한 서비스에 연결하지 못하고 있습니다.",
    "notice.offline": "게이트웨이에 연결하지 못했습니다.",
    "notice.stillSignedIn": "로그인은 유지되며 이 페이지가 자동으로 다시 시도합니다.",
    "notice.triesAgain": "이 페이지가 자동으로 다시 시도합니다.",
    "notice.apiPassing": "지금은 API를 호출하지 못했습니다. 로그인은 유지되니 잠시 뒤 다시 시도하세요.",
    "notice.failed": "요청을 처리하지 못했습니다.",
    "notice.signOutIncomplete":
      "로그아웃이 완료되지 않았습니다. 이 브라우저에서는 세션이 지워졌지만 게이트웨이에서는 종료하지 못해 만료될 때까지 남아 있습니다. " +
      "Cognito 로그인도 종료하려면 계속 진행하세요.",
    "notice.signOutFailed": "게이트웨이에 요청하지 못해 아직 로그아웃되지 않았습니다. 다시 시도하세요.",
    "notice.reference": "요청 {requestId}",

    "api.status": "API 응답 상태: {status}",
    "api.answer": "API 응답 내용",
    "api.noToken": "이 게이트웨이는 토큰을 브라우저에 전달하지 않으므로 API를 호출할 토큰이 없습니다. 로그인 상태에는 문제가 없습니다.",
    "api.notConfigured": "이 사이트에는 API가 설정되어 있지 않습니다.",

    "code.login_expired": "로그인 시간이 초과되었거나, 다른 브라우저에서 시작했거나, 이미 사용한 로그인입니다.",
    "code.state_mismatch": "이 브라우저에서 최근에 시작한 로그인이 아닙니다.",
    "code.code_rejected": "이미 사용했거나 만료된 로그인입니다.",
    "code.login_denied": "로그인이 완료되지 않았습니다.",
    "code.csrf_rejected": "이 사이트의 페이지에서 보낸 요청이 아닙니다.",
    "code.rate_limited": "시도가 너무 많습니다. 잠시 뒤 다시 로그인하세요.",
    "code.idp_unavailable": "지금은 로그인 서비스를 사용할 수 없습니다. 잠시 뒤 다시 로그인하세요.",
    "code.idp_throttled": "로그인 서비스에 요청이 몰리고 있습니다. 잠시 뒤 다시 로그인하세요.",
    "code.idp_timeout": "로그인 서비스의 응답이 늦어지고 있습니다. 잠시 뒤 다시 로그인하세요.",
    "code.store_unavailable": "지금은 세션을 저장하지 못했습니다. 잠시 뒤 다시 로그인하세요.",
    "code.network_error": "게이트웨이에 연결하지 못했습니다. 네트워크를 확인하고 다시 로그인하세요.",
    "code.other": "로그인하지 못했습니다.",
  },
};

/** `en` or `ko`. */
export const lang = chooseLanguage();

/** True where the address asks for a language, which links within the app then carry on. */
const isChosen = new URLSearchParams(window.location.search).get("lang") === lang;

/**
 * One text in the page's language.
 *
 * @param {string} key
 * @param {Object<string, string|number>} [values] for the `{placeholders}`
 * @returns {string} the key itself where there is no such text
 */
export function t(key, values = {}) {
  const text = TEXTS[lang][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => String(values[name] ?? all));
}

/** @returns {boolean} whether there is a text of this key */
export function hasText(key) {
  return Object.hasOwn(TEXTS[lang], key);
}

/**
 * Puts the page into its language: the text of every `[data-i18n]`, the language of the document, the link to the other
 * language, and `?lang=` on `a[data-keep-lang]` where the address asks for one.
 *
 * @returns {void}
 */
export function translatePage() {
  document.documentElement.lang = lang;
  for (const element of document.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
  for (const link of document.querySelectorAll("a[data-keep-lang]")) link.href = withLanguage(link.getAttribute("href"));

  const toggle = document.getElementById("lang-toggle");
  if (!toggle) return;
  const other = lang === "ko" ? "en" : "ko";
  const url = new URL(window.location.href);
  url.searchParams.set("lang", other);
  toggle.href = url.pathname + url.search + url.hash;
  toggle.lang = toggle.hreflang = other;
  toggle.textContent = t("lang.other");
  toggle.hidden = false;
}

/**
 * A path of this app with the chosen language.
 *
 * @param {string} path
 * @returns {string} unchanged where the browser's own language is in use
 */
export function withLanguage(path) {
  if (!isChosen) return path;
  const url = new URL(path, window.location.origin);
  url.searchParams.set("lang", lang);
  return url.pathname + url.search + url.hash;
}

/** A moment as this language writes it, in the reader's own way where the browser's language is the page's. */
export function formatTime(date) {
  const locale = window.navigator.language.toLowerCase().startsWith(lang) ? window.navigator.language : lang;
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(date);
}

function chooseLanguage() {
  const wanted = new URLSearchParams(window.location.search).get("lang");
  if (Object.hasOwn(TEXTS, wanted ?? "")) return wanted;
  return window.navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
}
