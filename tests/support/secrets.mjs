// Everything that must be nowhere but where it belongs, and how it might be spelled elsewhere.

/** What Cognito and the browsers have seen so far: Map of name → values. */
export function secretsOf(gateway, browsers = []) {
  const { requests, clientSecret, users } = gateway.cognito;
  const found = new Map();
  const add = (name, value) => value && found.set(name, [...(found.get(name) ?? []), value]);
  for (const { path, query, form, headers } of requests) {
    if (path === '/oauth2/authorize') {
      add('state', query.state);
      add('nonce', query.nonce);
    }
    if (path === '/oauth2/token' || path === '/oauth2/revoke') {
      add('code', form?.code);
      add('verifier', form?.code_verifier);
      add('refresh token', form?.refresh_token ?? form?.token);
      add('Basic credentials', headers.authorization?.replace('Basic ', ''));
    }
  }
  for (const tokens of gateway.givenTokens()) {
    add('ID token', tokens.id_token);
    add('access token', tokens.access_token);
    add('refresh token', tokens.refresh_token);
  }
  for (const { cookies } of browsers) {
    for (const [name, value] of cookies) add(name.endsWith('session') ? 'session cookie' : 'flow cookie', value);
  }
  add('client secret', clientSecret);
  for (const { email, name } of Object.values(users)) {
    add('e-mail', email);
    add('name', name);
  }
  return found;
}

/** A value as it is, percent-encoded, in both kinds of base64 (without the last, padding-dependent characters) and in hex. */
export function spellings(value) {
  const bytes = Buffer.from(value);
  const base64 = bytes.toString('base64').replace(/..?.?=*$/, '');
  return [...new Set([value, encodeURIComponent(value), base64, base64.replaceAll('+', '-').replaceAll('/', '_'), bytes.toString('hex')])];
}
