// A panic ends the wasm instance. The next request begins with a new one, which remembers nothing.
import { __wbg_reset_state as reset } from './index.js';
import { instance } from './runtime.js';

export function restartAfterPanic() {
  if (!instance.panicked) return;
  instance.panicked = false;
  instance.number += 1;
  reset();
}
