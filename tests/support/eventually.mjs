import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `condition` gives something, and gives it. */
export async function eventually(condition, what) {
  for (const began = Date.now(); Date.now() - began < 15_000; await sleep(20)) {
    const found = await condition();
    if (found) return found;
  }
  throw new Error(`still not there: ${what}`);
}
