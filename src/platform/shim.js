// The Worker's entry: hands the runtime's own objects to Rust. A panic or any other trap ends the wasm instance; the next call goes to a new
// one, which remembers nothing.
import { DurableObject } from 'cloudflare:workers';
import * as edgegate from './index.js';
import { instance } from './native.js';

// wasm-bindgen then runs what is awoken as a promise's reaction, which costs this runtime less.
globalThis.queueMicrotask = undefined;

function alive() {
  if (instance.ended) {
    edgegate.__wbg_reset_state();
    instance.ended = false;
    instance.number += 1;
  }
  return edgegate;
}

export default {
  fetch: (request, env, context) => alive().fetch(request, env, context),
};

/** Strict mode's guard (guard.rs). Its Rust part is made anew in each instance: all it keeps is in its storage. */
export class SessionGuard extends DurableObject {
  #guard;
  #instance;

  fetch(request) {
    return this.#alive().fetch(request);
  }

  alarm() {
    return this.#alive().alarm();
  }

  #alive() {
    const { SessionGuard: Guard } = alive();
    if (this.#instance !== instance.number) {
      this.#guard = new Guard(this.ctx, this.env);
      this.#instance = instance.number;
    }
    return this.#guard;
  }
}
