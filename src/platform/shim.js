// The Worker's entry: passes the runtime's own objects to Rust. A panic or any other trap ends the wasm instance. The next call
// goes to a new instance with empty caches.
import { DurableObject } from 'cloudflare:workers';
import * as edgegate from './index.js';
import { instance } from './native.js';

// Without it, wasm-bindgen runs woken futures as promise reactions, which cost this runtime less.
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

/** Strict mode's guard (guard.rs). Each wasm instance makes its Rust part anew: the guard's state is in its storage alone. */
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
