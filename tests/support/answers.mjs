// What the contract (README, "Errors" and "Headers") promises of every answer, as assertions.

import assert from 'node:assert/strict';

const REQUEST_ID = /^[0-9a-f]{16}$/;

/** The `Set-Cookie` lines by name: {value, attributes}, attributes sorted. */
export function setCookies(response) {
  return new Map(response.headers.getSetCookie().map((line) => {
    const [pair, ...attributes] = line.split('; ');
    const at = pair.indexOf('=');
    return [pair.slice(0, at), { value: pair.slice(at + 1), attributes: attributes.sort() }];
  }));
}

/** Headers of every answer that the gateway makes itself. */
export function assertOwnHeaders(response, { cacheControl = 'no-store', ancestors = "'none'" } = {}) {
  const { headers } = response;
  assert.equal(headers.get('cache-control'), cacheControl);
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
  assert.match(headers.get('referrer-policy') ?? '', /^(no-referrer|same-origin)$/);
  const policy = headers.get('content-security-policy') ?? '';
  for (const part of ["default-src 'none'", `frame-ancestors ${ancestors}`, "base-uri 'none'"]) assert.ok(policy.includes(part), `CSP: ${policy}`);
}

/** An error for a script: exactly the members of the contract. Gives the body. */
export async function assertErrorJson(response, status, code, { members = [] } = {}) {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8', text.slice(0, 200));
  assertOwnHeaders(response);
  const body = JSON.parse(text);
  assert.equal(body.error, code);
  assert.match(body.message, /^[A-Z].*\.$/);
  assert.match(body.requestId, REQUEST_ID, 'requestId');
  const login = status === 401 ? ['loginUrl'] : [];
  assert.deepEqual(Object.keys(body).sort(), ['error', 'message', 'requestId', ...login, ...members].sort());
  assertRetryAfter(response, status);
  return body;
}

/** An error for a person: a page with the code, in their language. Gives the page. */
export async function assertErrorPage(response, status, code, { language = 'en', ancestors } = {}) {
  const page = await response.text();
  assert.equal(response.status, status, page.slice(0, 400));
  assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8', page.slice(0, 400));
  assertOwnHeaders(response, { ancestors });
  assert.match(page, new RegExp(`<html lang="${language}">`));
  assert.match(page, new RegExp(`<code id="error-code">${code}</code>`));
  assert.match(page, /<code>[0-9a-f]{16}<\/code>/, 'request id');
  assert.equal(/[\u3131-\ud7a3]/.test(page), language === 'ko', 'Korean letters');
  assert.doesNotMatch(page, /<script|https?:\/\/(?!localhost|127\.0\.0\.1|app\.example\.com)/, 'nothing from elsewhere');
  assertRetryAfter(response, status);
  return page;
}

function assertRetryAfter(response, status) {
  if (status === 429 || status === 503) assert.match(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/, 'Retry-After');
}

/** The 200 of /auth/refresh: exactly the contract's members. Gives the body. */
export async function assertTokenJson(response) {
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  assert.deepEqual(Object.keys(body), ['success', 'access_token', 'expires_in']);
  assert.equal(body.success, true);
  assert.ok(Number.isInteger(body.expires_in));
  assert.deepEqual(response.headers.getSetCookie(), [], 'only login and logout set the cookie');
  assertOwnHeaders(response);
  return body;
}

/** A login that came to nothing: no session cookie, nothing in the store. */
export async function assertNoSession(gateway, browser, response) {
  assert.equal(setCookies(response).has(browser.sessionName), false, 'session cookie');
  assert.equal(browser.session, undefined, 'session cookie');
  assert.deepEqual(await gateway.sessionKeys(), [], 'KV');
}
