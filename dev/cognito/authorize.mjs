// GET /oauth2/authorize and /error. The core validates and issues the code; what Cognito refuses differently, or answers in other
// words, is decided here.

import { randomUUID } from 'node:crypto';

import { cookie, html, redirect, withQuery } from './http.mjs';
import { errorPage } from './pages.mjs';

const CORE_PARAMS = ['client_id', 'redirect_uri', 'response_type', 'scope', 'state', 'nonce', 'code_challenge', 'code_challenge_method',
  'prompt', 'max_age', 'login_hint', 'resource'];

/**
 * 1. Unknown client or unregistered redirect_uri: Cognito's own error page, never the app.
 * 2. What Cognito refuses in its own way goes to the app's callback.
 * 3. The core decides: a code at once (a live `cognito` cookie), an error, or the sign-in page.
 */
export async function authorize(pool, request) {
  const refused = refuseUntrusted(pool, request.query) ?? refuseInvalid(pool, request.query);
  if (refused) return refused;
  const sessionId = request.cookies.get('cognito');
  return askCore(pool, request.query, { sessionId, loginPage: () => toLoginPage(request) });
}

/** The same request once more, now by a signed-in browser: what POST /login answers with. */
export async function authorizeSignedIn(pool, query, sessionId) {
  const signedIn = new URLSearchParams(query);
  ['prompt', 'max_age'].forEach((name) => signedIn.delete(name)); // they have just been satisfied
  const refused = refuseInvalid(pool, signedIn);
  if (refused) return refused;
  return askCore(pool, signedIn, { sessionId, loginPage: () => errorAnswer('server_error') });
}

async function askCore(pool, params, { sessionId, loginPage }) {
  const scope = params.get('scope') || pool.client.scopes.join(' ');
  const query = new URLSearchParams();
  for (const name of CORE_PARAMS) if (params.has(name)) query.set(name, params.get(name));
  query.set('scope', scope);
  if (pool.switches.ignorePkce) ['code_challenge', 'code_challenge_method'].forEach((name) => query.delete(name));
  // The core wants openid for these; Cognito takes them and has no use for them.
  if (!scope.split(' ').includes('openid')) ['nonce', 'max_age'].forEach((name) => query.delete(name));

  const { location } = await pool.core.ask({ path: '/oauth2/authorize', query, sessionId });
  if (!location) return errorAnswer('invalid_request');
  const result = new URL(location, pool.origin);
  if (result.origin === pool.origin && result.pathname === '/login') return loginPage();
  if (result.searchParams.has('code')) return toCallback(pool, params, result.searchParams.get('code'));
  return callbackError(params, result.searchParams.get('error'));
}

function toCallback(pool, params, code) {
  const { authorizeError, stateMangle } = pool.switches;
  if (authorizeError) return callbackError(params, authorizeError.error, authorizeError.error_description);
  // No `iss` here (RFC 9207): Cognito sends none.
  const state = params.get('state') ?? undefined;
  return redirect(withQuery(params.get('redirect_uri'), [['code', code], ['state', stateMangle ? mangle(state) : state]]));
}

/** As AWS's own clients report it: "+" comes back as a space, "/" and "=" encoded once too often. */
function mangle(state) {
  return state?.replaceAll('+', ' ').replaceAll('/', '%2F').replaceAll('=', '%3D');
}

function toLoginPage({ search, cookies }) {
  return redirect(`/login${search}`, [cookie('XSRF-TOKEN', cookies.get('XSRF-TOKEN') ?? randomUUID())]);
}

/** Also for /login, which takes the same parameters and must not be a way around the check. */
export function refuseUntrusted({ client }, params) {
  if (params.get('client_id') !== client.id) return errorAnswer('invalid_request', params.get('client_id'));
  if (!client.callbackUrls.includes(params.get('redirect_uri'))) return errorAnswer('redirect_mismatch', client.id);
  return undefined;
}

function refuseInvalid({ client }, params) {
  const state = params.get('state') ?? '';
  // Values that Cognito stumbles over: it wants JSON base64-encoded, and cannot take % and ^ at all.
  if (/^\s*[{[]/.test(state) || /[%^]/.test(state)) return html(400, errorPage('invalid_request'));

  const type = params.get('response_type');
  if (type === 'token') return callbackError(params, 'unauthorized_client');
  if (type !== 'code') return callbackError(params, 'invalid_request', 'response_type must be code');

  const method = params.get('code_challenge_method');
  if (params.has('code_challenge') !== params.has('code_challenge_method') || (method !== null && method !== 'S256')) {
    return callbackError(params, 'invalid_request', 'code_challenge_method must be S256');
  }
  if (!scopesAllowed(client, params.get('scope'))) return invalidScope(params);
  return undefined;
}

function scopesAllowed(client, scope) {
  if (!scope) return true;
  const asked = scope.split(' ').filter(Boolean);
  const needsOpenid = asked.some((name) => ['email', 'phone', 'profile'].includes(name));
  return asked.every((name) => client.scopes.includes(name)) && (!needsOpenid || asked.includes('openid'));
}

/** In this odd form and order, as seen from real pools (and not as documented). */
function invalidScope(params) {
  return redirect(withQuery(params.get('redirect_uri'), [
    ['error_description', 'invalid_scope'], ['state', params.get('state') ?? undefined], ['error', 'invalid_request'],
  ]));
}

export function callbackError(params, error, description) {
  return redirect(withQuery(params.get('redirect_uri'), [
    ['error', error], ['error_description', description], ['state', params.get('state') ?? undefined],
  ]));
}

function errorAnswer(error, clientId) {
  return redirect(withQuery('/error', [['error', error], ['client_id', clientId ?? undefined]]));
}

export function errorEndpoint(pool, { query }) {
  return html(400, errorPage(query.get('error') ?? 'invalid_request'));
}
