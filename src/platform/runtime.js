// What the gate asks the runtime for: KV, Cognito, the guard, WebCrypto, the cache, timers. Each exchange is bounded in time. A failure is
// thrown as the word that the gate has for it (src/platform/ports.rs).

/** The wasm instance: whether it has ended, and how many did before it. */
export const instance = (globalThis.edgegateInstance = { ended: false, number: 0 });

export function ended() {
  instance.ended = true;
}

export function panicked(place) {
  console.error(JSON.stringify({ level: 'error', message: `panicked at ${place}` }));
}

export function now() {
  return Date.now();
}

export function sleep(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

/** Settles as `work` does, or fails after `ms`. */
export function inTime(work, ms) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, ms, 'timeout');
    const done = (settle) => (it) => {
      clearTimeout(timer);
      settle(it);
    };
    work.then(done(resolve), done(reject));
  });
}

/** A variable as text. TOML numbers and tables arrive as numbers and objects; `RULES` may be written so. */
export function variable(env, name) {
  const value = env[name] ?? undefined;
  return typeof value === 'object' || typeof value === 'number' || typeof value === 'boolean' ? JSON.stringify(value) : value;
}

export function hasBinding(env, name) {
  return typeof env[name] === 'object' && env[name] !== null;
}

export function header(request, name) {
  return request.headers.get(name) ?? undefined;
}

/** The body; fails with `too_large` without ever holding more, or as the stream does. */
export function readBody(request, maxBytes) {
  return readAtMost(request.body, maxBytes);
}

async function readAtMost(stream, maxBytes) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw 'too_large'; // which cancels the stream
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return bytes;
}

/** One exchange with Cognito: redirects not followed, nothing cached, the limits for the body too. `headers` are lines of `name:value`. */
export async function send(url, headers, form, timeoutMs, maxBytes) {
  const method = form === undefined ? 'GET' : 'POST';
  const init = { method, headers: headersOf(headers.split('\n').filter(Boolean)), body: form };
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', cache: 'no-store', signal: AbortSignal.timeout(timeoutMs) });
    const body = await readAtMost(response.body, maxBytes);
    return { status: response.status, retryAfter: response.headers.get('retry-after') ?? undefined, body };
  } catch (error) {
    if (error === 'too_large') throw error;
    throw error?.name === 'TimeoutError' || error?.name === 'AbortError' ? 'timeout' : 'unreachable';
  }
}

/** Reads several keys in one operation: of each a line, nothing for an absent one, else a colon and the value. */
export function kvRead({ SESSIONS }, keys) {
  return kv(async () => {
    const names = keys.split('\n');
    const found = await SESSIONS.get(names, { type: 'text', cacheTtl: READ_CACHE_SECS });
    // An answer that does not name a key is no answer about it, and no value of ours has a line break.
    if (!names.every((name) => found.has(name) && !found.get(name)?.includes('\n'))) throw new Error('not an answer');
    return names.map((name) => (found.get(name) === null ? '' : `:${found.get(name)}`)).join('\n');
  });
}

export function kvWrite({ SESSIONS }, key, value, expiration) {
  return kv(() => SESSIONS.put(key, value, { expiration }));
}

export function kvDelete({ SESSIONS }, key) {
  return kv(() => SESSIONS.delete(key));
}

/** Errors are told apart by the number in the runtime's message. */
async function kv(operation) {
  try {
    return await inTime(operation(), KV_TIMEOUT_MS);
  } catch (error) {
    if (error === 'timeout') throw error;
    throw String(error).includes('429') ? 'too_many_writes' : 'unavailable';
  }
}

/** Asks strict mode's guard of a user. A Durable Object has no address but its name. */
export async function askGuard({ SESSION_GUARD }, userTag, inquiry) {
  const exchange = async () => {
    const response = await SESSION_GUARD.getByName(userTag).fetch('https://guard/', { method: 'POST', body: inquiry });
    if (response.status !== 200) throw 'unavailable';
    return response.text();
  };
  return inTime(exchange(), GUARD_TIMEOUT_MS);
}

/** Best effort: without it the next isolate fetches for itself. */
export function cacheLoad(url) {
  const exchange = async () => (await caches.default.match(url))?.text();
  return inTime(exchange(), BESIDE_TIMEOUT_MS).catch(() => undefined);
}

export function cacheKeep(url, text, maxAgeSecs) {
  const response = new Response(text, { headers: { 'cache-control': `public, max-age=${maxAgeSecs}` } });
  return inTime(caches.default.put(url, response), BESIDE_TIMEOUT_MS);
}

/** Not bound, or failing: a limit protects Cognito's quotas, it does not decide who may come in. */
export async function isWithinLimit({ RATE_LIMITER }, key) {
  if (!RATE_LIMITER) return true;
  const outcome = await inTime(RATE_LIMITER.limit({ key }), BESIDE_TIMEOUT_MS).catch(() => undefined);
  return outcome?.success !== false;
}

/** Lines of `name:value` as headers. */
export function headersOf(lines) {
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.append(line.slice(0, colon), line.slice(colon + 1));
  }
  return headers;
}

export function fill(bytes) {
  crypto.getRandomValues(bytes);
}

/** Imported keys by modulus and exponent, a handful: a user pool has two. Keys belong to no request. */
const imported = new Map();

/** RS256, which takes WebCrypto a thirtieth of the time that pure Rust takes. `n` and `e` are base64url. */
export async function verify(n, e, message, signature) {
  // Copies: wasm memory may have moved when the runtime reads them.
  const [signed, given] = [message.slice(), signature.slice()];
  const name = `${n}.${e}`;
  let key = imported.get(name);
  if (key === undefined) {
    key = await crypto.subtle.importKey('jwk', { kty: 'RSA', alg: 'RS256', n, e }, RS256, false, ['verify']);
    if (imported.size >= MAX_IMPORTED) imported.clear();
    imported.set(name, key);
  }
  return crypto.subtle.verify(RS256, key, given, signed);
}

const RS256 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const MAX_IMPORTED = 8;
/** The least that KV takes: how long a location may go on with what it read. */
const READ_CACHE_SECS = 30;
/** A cold read takes a few hundred milliseconds, a write a second at times. */
const KV_TIMEOUT_MS = 8000;
/** The cache and the rate limiter: nobody waits longer for what can be done without. */
const BESIDE_TIMEOUT_MS = 1000;
/** A guard that starts at the other end of the world answers within a second. */
const GUARD_TIMEOUT_MS = 4000;
