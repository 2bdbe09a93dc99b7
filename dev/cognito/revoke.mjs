// POST /oauth2/revoke: refresh tokens only. Afterwards JWTs of that sign-in still verify locally until they expire; userInfo refuses them.

import { json, methodNotAllowed } from './http.mjs';
import { coreHeaders } from './token.mjs';
import { refreshTokenId } from './tokens.mjs';

export async function revoke(pool, request) {
  if (request.method !== 'POST') return methodNotAllowed('POST');
  const { revokeFault, slowMs } = pool.switches;
  if (revokeFault === '500') return json(500, { message: 'Internal server error' });
  const answer = await revokeToken(pool, request);
  return revokeFault === 'slow' ? { ...answer, delayMs: slowMs } : answer;
}

async function revokeToken(pool, request) {
  const form = new URLSearchParams(request.form ?? '');
  const received = form.get('token') ?? '';
  // Confidential clients authenticate with Basic here, other than at the token endpoint.
  if (form.has('client_secret')) return json(401, { error: 'invalid_client' });
  if (received) form.set('token', refreshTokenId(received));
  form.delete('token_type_hint');

  const { status, body } = await pool.core.ask({ method: 'POST', path: '/oauth2/revoke', form, headers: coreHeaders(request) });
  if (body?.error === 'invalid_client') return json(401, { error: 'invalid_client' });
  if (status >= 500) return json(500, { error: 'server_error' });
  if (status !== 200) return json(400, { error: 'invalid_request' });
  if (/^[^.]+\.[^.]+\.[^.]*$/.test(received)) return json(400, { error: 'unsupported_token_type' }); // a JWT: ID or access token
  return { status: 200, headers: { 'cache-control': 'no-store' }, body: '' };
}
