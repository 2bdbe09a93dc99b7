// One call here saves many crossings. This module decides nothing and knows no header names: Rust (native.rs) passes them in.

/** The state of the wasm instance: whether it has ended, and how many ended before it. It outlives each instance, outside of wasm. */
export const instance = (globalThis.edgegateInstance = { ended: false, number: 0 });

export function ended() {
  instance.ended = true;
}

/** `[method, url, values]` as JSON, `null` for an absent header. */
export function requestHead({ method, url, headers }, names) {
  return JSON.stringify([method, url, names.map((name) => headers.get(name))]);
}

/** `[status, values, Set-Cookie lines]` as JSON. */
export function answerHead({ status, headers }, names) {
  return JSON.stringify([status, names.map((name) => headers.get(name)), headers.getSetCookie()]);
}

export function answer(status, headers, body) {
  return new Response(body, { status, headers: JSON.parse(headers) });
}

/** A copy with other headers around the same, unread body. */
export function edited(response, edits) {
  const copy = new Response(response.body, response);
  edit(copy.headers, edits);
  return copy;
}

/**
 * Sends the client's method and headers to another server, without the headers that `stopped` picks and with `edits`; the body,
 * if `sendsBody`, as it streams in.
 */
export function pass(request, url, init, stopped, edits, sendsBody, timeoutMs) {
  const headers = new Headers(request.headers);
  for (const name of namesToStop(headers, stopped)) headers.delete(name);
  edit(headers, edits);
  const { method } = request;
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new DOMException('no answer yet', 'TimeoutError')), timeoutMs);
  const clear = () => clearTimeout(timer);
  const body = sendsBody ? request.body : null;
  const answered = fetch(url, { ...init, method, headers, body, signal: limit.signal });
  answered.then(clear, clear);
  return answered;
}

/** A cache of the headers to stop, by the list of header names: clients send few different lists. */
const remembered = new Map();

function namesToStop(headers, stopped) {
  const names = Array.from(headers.keys());
  const key = names.join();
  let stops = remembered.get(key);
  if (stops === undefined) {
    stops = stopped(names);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    if (key.length <= MAX_KEY_CHARS) remembered.set(key, stops);
  }
  return stops;
}

function edit(headers, edits) {
  const { remove, set, add } = JSON.parse(edits);
  for (const name of remove) headers.delete(name);
  for (const [name, value] of set) headers.set(name, value);
  for (const [name, value] of add) headers.append(name, value);
}

const MAX_REMEMBERED = 200;
const MAX_KEY_CHARS = 1000;
