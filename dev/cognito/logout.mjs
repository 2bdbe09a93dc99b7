// GET /logout: a browser navigation that ends Cognito's own session. Not OpenID Connect's RP-initiated logout: no id_token_hint, no
// post_logout_redirect_uri, state is not echoed, tokens live on.

import { cookie, html, methodNotAllowed, redirect } from './http.mjs';
import { errorPage } from './pages.mjs';

export function logout(pool, { method, query, search, cookies }) {
  if (method !== 'GET') return methodNotAllowed('GET');
  const { client, storage } = pool;
  const [clientId, logoutUri, redirectUri] = ['client_id', 'logout_uri', 'redirect_uri'].map((name) => query.get(name));

  if (!clientId) return html(400, errorPage("Required String parameter 'client_id' is not present"));
  if (!logoutUri && !redirectUri) return html(400, errorPage("Required String parameter 'redirect_uri' is not present"));
  if (clientId !== client.id) return html(400, errorPage('invalid_request'));
  if (logoutUri && !client.logoutUrls.includes(logoutUri)) return html(400, errorPage('redirect_mismatch'));
  if (!logoutUri && !client.callbackUrls.includes(redirectUri)) return html(400, errorPage('redirect_mismatch'));

  const sessionId = cookies.get('cognito');
  if (sessionId) storage.forget('Session', sessionId);
  return redirect(logoutUri ?? `/login${search}`, [cookie('cognito', '', { maxAge: 0 })]);
}
