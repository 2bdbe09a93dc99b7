// POST /oauth2/token. The core checks client, code, verifier and refresh token; the tokens and the words are Cognito's.

import { randomUUID } from 'node:crypto';

import { cookie, json, methodNotAllowed } from './http.mjs';
import { faultBefore, faultAfter, takeFault } from './token-faults.mjs';
import { merge, mintTokens, refreshTokenId } from './tokens.mjs';

/** As a real pool sends them (without HSTS: this is http). */
const HEADERS = {
  'cache-control': 'no-cache, no-store, max-age=0, must-revalidate',
  pragma: 'no-cache',
  expires: '0',
  'x-content-type-options': 'nosniff',
  'x-xss-protection': '1; mode=block',
  'x-frame-options': 'DENY',
};

export async function token(pool, request) {
  if (request.method === 'OPTIONS') return { status: 200, headers: crossOrigin(request) };
  if (request.method !== 'POST') return methodNotAllowed('POST');

  const fault = takeFault(pool.switches);
  const answer = faultBefore(fault, pool) ?? faultAfter(fault, pool, await exchange(pool, request));
  return { ...answer, headers: { ...answer.headers, ...crossOrigin(request) } };
}

/** The core looks a code up and spends it without waiting for anything outside, so of equal requests at once exactly one wins. */
async function exchange(pool, request) {
  const form = coreForm(request.form, pool.switches);
  const { status, body, entities } = await pool.core.ask({
    method: 'POST', path: '/oauth2/token', form, headers: coreHeaders(request),
  });
  if (status === 200) return tokenAnswer(pool, entities, body);
  spendCode(pool, form, body);
  return errorAnswer(pool, status, body?.error, form.get('grant_type'));
}

/** For the core: refresh tokens by the name the store has for them, and a verifier of forbidden length as a merely wrong one. */
function coreForm(received, { ignorePkce }) {
  const form = new URLSearchParams(received ?? '');
  if (form.has('refresh_token')) form.set('refresh_token', refreshTokenId(form.get('refresh_token')));
  form.delete('scope'); // Cognito's code and refresh grants have no such parameter
  const verifier = form.get('code_verifier');
  if (ignorePkce) form.delete('code_verifier');
  else if (verifier && !/^[\w.~-]{43,128}$/.test(verifier)) form.set('code_verifier', 'x'.repeat(43));
  return form;
}

/** Cognito's Basic is the raw base64 of id:secret; the core follows RFC 6749 and form-decodes both. */
export function coreHeaders({ headers }) {
  const { authorization, 'content-type': type } = headers;
  const basic = /^basic +(\S+)$/i.exec(authorization ?? '');
  const pair = basic && Buffer.from(basic[1], 'base64').toString('utf8').split(/:(.*)/s);
  const recoded = pair && Buffer.from(pair.slice(0, 2).map(encodeURIComponent).join(':')).toString('base64');
  return {
    ...(authorization && { authorization: pair?.length > 1 ? `Basic ${recoded}` : authorization }),
    ...(type && { 'content-type': type }),
  };
}

function tokenAnswer(pool, { AuthorizationCode: code, RefreshToken: refresh, AccessToken: access }, body) {
  const source = code ?? refresh;
  const { originJti, resource } = pool.signIns.get(source.grantId);
  const { accessToken, idToken } = mintTokens(pool, {
    sub: source.accountId,
    scope: access.scope,
    authTime: source.authTime,
    nonce: source.nonce,
    originJti,
    resource,
    accessJti: access.jti,
    refreshed: !code,
  });
  const isNew = code || pool.switches.rotation;
  const members = {
    ...(idToken && { id_token: idToken }),
    access_token: accessToken,
    ...(isNew && { refresh_token: refresh.wire }),
    expires_in: body.expires_in,
    token_type: 'Bearer',
  };
  return json(200, merge(members, pool.switches.tokenAnswer), { ...HEADERS, 'set-cookie': cookie('XSRF-TOKEN', randomUUID()), 'x-amz-cognito-request-id': randomUUID() });
}

/**
 * A wrong verifier spends the code; a wrong secret, client or redirect_uri does not. The core leaves the code alone in all these
 * cases; an invalid_grant with the right redirect_uri for a code that is still there can only be the verifier.
 */
function spendCode(pool, form, body) {
  if (body?.error !== 'invalid_grant' || form.get('grant_type') !== 'authorization_code') return;
  const code = pool.storage.record('AuthorizationCode', form.get('code'))?.payload;
  if (code?.redirectUri === form.get('redirect_uri')) pool.storage.forget('AuthorizationCode', form.get('code'));
}

function errorAnswer({ switches }, status, error, grantType) {
  if (status >= 500 || !error) return json(500, { error: 'server_error' }, HEADERS);
  if (grantType === 'client_credentials' && error === 'unsupported_grant_type') return json(400, { error: 'unauthorized_client' }, HEADERS);
  return json(error === 'invalid_client' && switches.invalidClient401 ? 401 : 400, { error }, HEADERS);
}

/** Real pools reflect any origin, credentials included. */
function crossOrigin({ headers: { origin } }) {
  if (!origin) return {};
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-allow-headers': 'authorization, content-type',
    'access-control-allow-methods': 'POST',
    vary: 'Origin',
  };
}
