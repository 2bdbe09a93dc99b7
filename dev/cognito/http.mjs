// Plain requests and answers. Endpoints are functions from a request to an answer {status, headers, body, delayMs, drop};
// only this file touches sockets.

import { setTimeout as wait } from 'node:timers/promises';

const MAX_BODY_BYTES = 1 << 20;

export async function readRequest(req) {
  const { pathname, search, searchParams } = new URL(req.url, 'http://local');
  const text = await readText(req);
  const isForm = (req.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
  return {
    method: req.method,
    path: pathname,
    search,
    query: searchParams,
    headers: req.headers,
    cookies: parseCookies(req.headers.cookie),
    text,
    form: isForm ? new URLSearchParams(text) : null,
    at: Date.now(),
  };
}

async function readText(req) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of req) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseCookies(header = '') {
  const pairs = header.split(/; */).filter((pair) => pair.includes('='));
  return new Map(pairs.map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1).replace(/^"(.*)"$/, '$1')];
  }));
}

/** Waits end with the server: `signal` aborts them. */
export async function sendAnswer(res, { status, headers = {}, body = '', delayMs = 0, drop = false }, signal) {
  if (delayMs > 0) await wait(delayMs, undefined, { signal });
  if (drop) {
    res.socket?.destroy();
    return;
  }
  res.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  res.end(body);
}

export function redirect(location, cookies = []) {
  return { status: 302, headers: { location, 'cache-control': 'no-store', ...(cookies.length && { 'set-cookie': cookies }) } };
}

export function json(status, value, headers = {}) {
  return { status, headers: { 'content-type': 'application/json;charset=UTF-8', ...headers }, body: JSON.stringify(value) };
}

export function html(status, body, headers = {}) {
  return { status, headers: { 'content-type': 'text/html;charset=UTF-8', 'cache-control': 'no-store', 'x-frame-options': 'DENY', ...headers }, body };
}

export function methodNotAllowed(allow) {
  return { status: 405, headers: { allow } };
}

/** Cognito's cookies, without Secure: this is http on the loopback address. */
export function cookie(name, value, { maxAge } = {}) {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${maxAge === undefined ? '' : `; Max-Age=${maxAge}`}`;
}

/** `a=b` pairs onto a registered URL that may have a query of its own. Pairs with an undefined value are left out. */
export function withQuery(url, pairs) {
  const query = new URLSearchParams(pairs.filter(([, value]) => value !== undefined));
  return `${url}${url.includes('?') ? '&' : '?'}${query}`;
}
