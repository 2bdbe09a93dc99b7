// The Worker's entry. It hands the head of each request to the gate in one text, since every crossing into wasm costs more than what
// is decided there, and asks the site as the gate says. It carries; what it carries is decided in Rust.
import { alive } from './alive.js';
import * as gate from './index.js';
import { headersOf, inTime } from './runtime.js';

export { SessionGuard } from './guard.js';

/** The headers that nearly every request is judged by; the gate asks for others one by one. */
const READ_AT_ONCE = gate.headers_read_at_once().split('\n');

/** The headers that the site's answer is judged by, beside `Set-Cookie`. */
const ANSWER_HEADERS = gate.answer_headers().split('\n');

export default {
  fetch(request, env, context) {
    const text = head(request);
    const carryOut = (it) => (it.startsWith('site\n') ? forward(it, text, request, env, context) : respond(it));
    const outcome = alive(() => gate.handle(text, request, env, context));
    if (!(outcome instanceof Promise)) return carryOut(outcome);
    // It goes on when the client has gone: a renewal must store the token that it has been given.
    context.waitUntil(outcome);
    return outcome.then(carryOut);
  },
};

/** Method, URL, and of each header a line. */
function head({ method, url, headers }) {
  return `${method}\n${url}${values(headers, READ_AT_ONCE)}`;
}

/** Of each header a line: nothing for an absent one, else a colon and the value. */
function values(headers, names) {
  let text = '';
  for (const name of names) {
    const value = headers.get(name);
    text += value === null ? '\n' : `\n:${value}`;
  }
  return text;
}

/** Makes an answer of the gate (src/platform/answer.rs). */
function respond(text) {
  const end = text.indexOf('\n\n');
  const [, status, ...lines] = text.slice(0, end).split('\n');
  const body = text.slice(end + 2);
  return new Response(body === '' ? null : body, { status, headers: headersOf(lines) });
}

/** Asks the site by a plan of the gate (src/platform/proxy.rs), and makes its answer ours. */
async function forward(plan, text, request, env, context) {
  const [, keeping, startedMs, , , logLine, url, cache, ...edits] = plan.split('\n');
  let response;
  try {
    response = cache === undefined ? await askAssets(url, request, env) : await askOrigin(url, cache, edits, request);
  } catch (error) {
    return respond(alive(() => gate.site_failed(text, request, env, context, plan, error === 'timeout')));
  }
  const changes = answerEdits(keeping, response.headers, env);
  const answer = changes === '' ? response : edited(response, changes);
  console.log(`${logLine},"status":"${answer.status}","duration_ms":"${Date.now() - startedMs}"}`);
  return answer;
}

function askAssets(url, request, { ASSETS }) {
  return ASSETS.fetch(url === '' ? request : new Request(url, request));
}

function askOrigin(url, cache, edits, request) {
  const headers = new Headers(request.headers);
  edit(headers, requestEdits(headers));
  edit(headers, edits);
  const init = { method: request.method, headers, redirect: 'manual' };
  if (cache !== '') init.cache = cache;
  // The limit is for the answer to begin; a long download may take its time.
  return inTime(fetch(url, init), ORIGIN_TIMEOUT_MS);
}

function requestEdits(headers) {
  const names = Array.from(headers.keys()).join('\n');
  const connection = headers.get('connection') ?? '';
  return remember(saidOfRequests, `${names}\n\n${connection}`, () => alive(() => gate.request_edits(names, connection)).split('\n'));
}

function answerEdits(keeping, headers, env) {
  const seen = values(headers, ANSWER_HEADERS).slice(1);
  const ask = (shown) => alive(() => gate.answer_edits(env, keeping, shown));
  if (!headers.has('set-cookie')) return remember(saidOfAnswers, `${keeping}\n${seen}`, () => ask(seen));
  return ask([seen, ...headers.getSetCookie()].join('\n'));
}

/** What the gate said of such headers before: their edits depend on nothing but what is asked. */
const saidOfRequests = new Map();
const saidOfAnswers = new Map();

function remember(said, key, ask) {
  let answer = said.get(key);
  if (answer === undefined) {
    answer = ask();
    if (said.size >= MAX_REMEMBERED) said.clear();
    if (key.length <= MAX_KEY_CHARS) said.set(key, answer);
  }
  return answer;
}

/** A copy with other headers around the same, unread body. */
function edited(response, changes) {
  const copy = new Response(response.body, response);
  edit(copy.headers, changes.split('\n'));
  return copy;
}

/** Lines of `-name` to remove, `=name:value` to set and `+name:value` to add. */
function edit(headers, edits) {
  for (const line of edits) {
    const colon = line.indexOf(':');
    if (line[0] === '-') headers.delete(line.slice(1));
    else if (line[0] === '=') headers.set(line.slice(1, colon), line.slice(colon + 1));
    else if (line[0] === '+') headers.append(line.slice(1, colon), line.slice(colon + 1));
  }
}

/** A static site answers at once; what takes longer than this will not come. */
const ORIGIN_TIMEOUT_MS = 10_000;
/** Browsers send a few sets of headers, and a site answers with a few. */
const MAX_REMEMBERED = 200;
const MAX_KEY_CHARS = 1000;
