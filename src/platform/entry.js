// The Worker's entry. It hands the head of each request to the gate in one text, since every crossing into wasm costs more than what
// is decided there, and asks the site as the gate says. It carries; what it carries is decided in Rust.
import { DurableObject } from 'cloudflare:workers';
import * as gate from './index.js';

/** The headers that nearly every request is judged by; the gate asks for others one by one. */
const READ_AT_ONCE = gate.headers_read_at_once().split('\n');

/** What the `worker` crate knows of the wasm instance. */
const instance = gate.__worker_init_state();

export default {
  fetch(request, env, context) {
    restartAfterPanic();
    const outcome = gate.handle(head(request), request, env, context);
    if (!(outcome instanceof Promise)) return carryOut(outcome, request, env);
    // It goes on when the client has gone: a renewal must store the token that it has been given.
    context.waitUntil(outcome);
    return outcome.then((it) => carryOut(it, request, env));
  },
};

/** Strict mode's guard. */
export class SessionGuard extends DurableObject {
  fetch(request) {
    restartAfterPanic();
    return gate.guard_fetch(this.ctx, request);
  }

  alarm() {
    restartAfterPanic();
    return gate.guard_alarm(this.ctx);
  }
}

/** A panic ends the instance; the next request begins with a new one, which remembers nothing. */
function restartAfterPanic() {
  if (!instance.criticalError) return;
  instance.criticalError = false;
  gate.__wbg_reset_state();
}

/** Method, URL, and of each header a line: nothing for an absent one, else a colon and the value. */
function head({ method, url, headers }) {
  let text = `${method}\n${url}`;
  for (const name of READ_AT_ONCE) {
    const value = headers.get(name);
    text += value === null ? '\n' : `\n:${value}`;
  }
  return text;
}

/** An outcome is an answer, or how to ask the site for one. */
function carryOut(outcome, request, env) {
  return outcome instanceof gate.Forward ? forward(outcome, request, env) : outcome;
}

async function forward(plan, request, env) {
  let response;
  try {
    const asset = plan.asset_url();
    response = asset === undefined ? await askOrigin(plan, request) : await askAssets(asset, request, env);
  } catch (error) {
    return plan.failed(error === TIMED_OUT);
  }
  const edits = plan.answered(response.status, lines(response.headers));
  return edits === '' ? response : edited(response, edits);
}

function askAssets(url, request, { ASSETS }) {
  return ASSETS.fetch(url === '' ? request : new Request(url, request));
}

function askOrigin(plan, request) {
  const [url, cache, ...edits] = plan.origin_request(Array.from(request.headers.keys()).join('\n')).split('\n');
  const headers = new Headers(request.headers);
  edit(headers, edits);
  const init = { method: request.method, headers, redirect: 'manual' };
  if (cache !== '') init.cache = cache;
  return inTime(fetch(url, init));
}

/** The limit is for the answer to begin; a long download may take its time. */
function inTime(answer) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, ORIGIN_TIMEOUT_MS, TIMED_OUT);
    const done = (settle) => (it) => {
      clearTimeout(timer);
      settle(it);
    };
    answer.then(done(resolve), done(reject));
  });
}

/** Each header a line; `Set-Cookie` lines come one by one. */
function lines(headers) {
  let text = '';
  for (const [name, value] of headers) text += `${name}:${value}\n`;
  return text;
}

/** A copy with other headers around the same, unread body. */
function edited(response, edits) {
  const copy = new Response(response.body, response);
  edit(copy.headers, edits.split('\n'));
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
const TIMED_OUT = new Error('the origin did not answer in time');
