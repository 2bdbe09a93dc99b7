// A panic or any other trap ends the wasm instance. The next call goes to a new one, which remembers nothing.
import { __wbg_reset_state as reset } from './index.js';
import { instance } from './runtime.js';

/**
 * Calls the gate in an instance that lives. That must be settled here, before wasm-bindgen writes the call's texts into an instance's
 * memory. The gate throws nothing of its own: if it does, it has ended.
 */
export function alive(call) {
  if (instance.ended) {
    reset();
    instance.ended = false;
    instance.number += 1;
  }
  try {
    return call();
  } catch (error) {
    instance.ended = true;
    throw error;
  }
}
