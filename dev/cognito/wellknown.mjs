// The issuer's documents: signing keys and discovery. They are served under the issuer only, not at the domain's root.

import { html, json } from './http.mjs';
import { publishedKeys } from './keys.mjs';
import { cdnPage, HUGE_BYTES } from './token-faults.mjs';

export function jwks({ keys, switches }) {
  const published = publishedKeys(keys, switches);
  const good = json(200, published);
  switch (switches.jwksFault) {
    case '500': return json(500, { message: 'Internal server error' });
    case 'html': return html(200, cdnPage('502 ERROR', 'The request could not be satisfied.'));
    case 'slow': return { ...good, delayMs: switches.slowMs };
    // Right in every way but its size: only a cap refuses it.
    case 'huge': return json(200, { ...published, padding: 'x'.repeat(HUGE_BYTES) });
    case 'redirect': return { status: 302, headers: { location: switches.redirectTo ?? '/redirected/jwks.json' } };
    case 'empty': return json(200, { keys: [] });
    case 'wrongtype': return json(200, { keys: Object.fromEntries(published.keys.map((key) => [key.kid, key])) });
    case 'nokid': return json(200, { keys: published.keys.map((key) => ({ ...key, kid: undefined })) });
    case 'malformed': return { ...good, body: good.body.slice(0, good.body.length >> 1) };
    default: return good;
  }
}

/** In the real document's order. It does not say that S256 works, although it does. */
export function discovery(pool) {
  const { origin } = pool;
  const issuer = pool.issuer();
  return json(200, {
    authorization_endpoint: `${origin}/oauth2/authorize`,
    end_session_endpoint: `${origin}/logout`,
    id_token_signing_alg_values_supported: ['RS256'],
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    response_types_supported: ['code', 'token'],
    revocation_endpoint: `${origin}/oauth2/revoke`,
    scopes_supported: ['openid', 'email', 'phone', 'profile'],
    subject_types_supported: ['public'],
    token_endpoint: `${origin}/oauth2/token`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    userinfo_endpoint: `${origin}/oauth2/userInfo`,
  });
}

/** Where the redirect faults lead. The keys are the real ones, so that a client that follows is found out by going on working. */
export function redirected({ keys, switches }, { path }) {
  return path === '/redirected/jwks.json' ? json(200, publishedKeys(keys, switches)) : json(200, { redirected: true });
}
