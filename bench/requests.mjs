// The requests of the bench: what Chromium sends with a page load, and the cookies that a site's visitor has.
import { createHmac } from 'node:crypto';
import { person, refreshToken } from './cognito.mjs';
import { requestBytes } from './load.mjs';

export const HOST = 'app.example.com';
export const HONO_SECRET = 'bench-only-0123456789abcdef0123456789abcdef';

/** `x-forwarded-proto` tells workerd that the browser came over https; it makes the URL of it. */
const CHROMIUM = {
  host: HOST,
  'x-forwarded-proto': 'https',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'accept-encoding': 'gzip, deflate, br, zstd',
  'accept-language': 'en-GB,en;q=0.9,ko;q=0.8',
  'sec-fetch-dest': 'document',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-site': 'same-origin',
  'sec-fetch-user': '?1',
};

const OTHER_COOKIES = '_ga=GA1.1.1234567890.1761990000; _ga_0123456789=GS2.1.s1761990000$o3$g1$t1761990500; theme=dark; lang=en';

/** A page load; `cookie` is the session's, as `name=value`. */
export function pageLoad(path, cookie) {
  const cookies = cookie === undefined ? OTHER_COOKIES : `${OTHER_COOKIES}; ${cookie}`;
  return requestBytes(path, { ...CHROMIUM, cookie: cookies });
}

/** An API client's request. */
export function bearerRequest(token) {
  return requestBytes('/user-info', {
    host: HOST,
    'x-forwarded-proto': 'https',
    'user-agent': 'python-requests/2.32.5',
    accept: 'application/json',
    'accept-encoding': 'gzip, deflate',
    authorization: `Bearer ${token}`,
  });
}

/**
 * The session cookie of @hono/oidc-auth as it makes it after a sign-in at Cognito: a token signed with HS256 that holds the
 * refresh token. The next renewal is far off, so that nobody is asked.
 */
export function honoCookie(n) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const { sub, email } = person(n);
  const later = Math.floor(Date.now() / 1000) + 24 * 3600;
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, email, rtk: refreshToken(), rtkexp: later, ssnexp: later })}`;
  return `oidc-auth=${text}.${createHmac('sha256', HONO_SECRET).update(text).digest('base64url')}`;
}
