// GET and POST /login: the page that Cognito's hosted UI shows, reached by redirect from authorize and carrying the same parameters,
// so that any number of tabs can be signing in at once.

import { randomUUID } from 'node:crypto';

import { accountByLogin } from './accounts.mjs';
import { authorizeSignedIn, callbackError, refuseUntrusted } from './authorize.mjs';
import { cookie, html, methodNotAllowed } from './http.mjs';
import { errorPage, loginPage } from './pages.mjs';

export async function login(pool, request) {
  const refused = refuseUntrusted(pool, request.query);
  if (refused) return refused;
  if (request.method === 'GET') return showPage(pool, request);
  if (request.method === 'POST') return signIn(pool, request);
  return methodNotAllowed('GET, POST');
}

/**
 * 1. The form's token must equal the XSRF cookie.  2. Cancel goes back to the app.  3. A wrong password shows the page again.
 * 4. A session is made and its cookie set; the authorize request, now signed in, answers with the code.
 */
async function signIn(pool, request) {
  const { query, cookies } = request;
  const form = request.form ?? new URLSearchParams();
  if (!form.get('_csrf') || form.get('_csrf') !== cookies.get('XSRF-TOKEN')) return html(403, errorPage('xsrf_rejected'));
  if (form.has('cancel')) return callbackError(query, 'access_denied', 'User cancelled the sign-in');

  const user = accountByLogin(pool.users, form.get('username') ?? '');
  if (!user || user.password !== form.get('password')) return showPage(pool, request, 'wrongPassword');
  if (user.enabled === false) return showPage(pool, request, 'disabled');

  const sessionId = await pool.core.signIn(user.sub);
  const previous = cookies.get('cognito');
  if (previous) pool.storage.forget('Session', previous);

  const answer = await authorizeSignedIn(pool, query, sessionId);
  answer.headers['set-cookie'] = cookie('cognito', `"${sessionId}"`, { maxAge: pool.switches.ssoTtl });
  return answer;
}

function showPage(pool, { query, search, cookies, form }, problem) {
  const xsrf = cookies.get('XSRF-TOKEN') ?? randomUUID();
  const page = loginPage({
    action: `/login${search}`,
    xsrf,
    username: form?.get('username') ?? query.get('login_hint') ?? '',
    accounts: Object.values(pool.users),
    language: query.get('lang')?.startsWith('ko') ? 'ko' : 'en',
    problem,
  });
  return html(200, page, { 'set-cookie': cookie('XSRF-TOKEN', xsrf) });
}
