// The bound of a sign-out, measured: with KV as far behind as it is stated to be, how long another location serves a session that
// has ended. Simulated seconds; the figures are in the test's output.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { at, startPlaces } from '../support/places.mjs';

/** KV's lag as it is stated, how long an isolate remembers what it read, and the bound that the two make. */
const LAG_SECS = 60;
const MEMORY_SECS = 30;
const BOUND_SECS = LAG_SECS + MEMORY_SECS;

const places = await startPlaces();
const { here, there, cognito } = places;
after(() => places.close());

describe(`with KV ${LAG_SECS} s behind, a session that was ended here is refused there`, () => {
  /** How many seconds after the sign-out `other` was last served, where a new isolate reads the session at `newIsolateAt`. */
  async function lastServedSecs(other, newIsolateAt, visit) {
    const began = Date.now();
    let [last, replaced] = [0, false];
    for (let secs = 0; secs <= 2 * BOUND_SECS; secs += 1) {
      const asked = secs + (Date.now() - began) / 1000; // real time passes besides
      if (!replaced && asked >= newIsolateAt) {
        await there.crash();
        replaced = true;
      }
      if ((await visit(other)).status === 401) return last;
      last = asked;
      await places.passTime(1);
    }
    throw new Error('never refused');
  }

  const force = (browser) => browser.post('/auth/refresh', { force: true });
  for (const [how, visit] of Object.entries({
    'by a browser that reads': (browser) => browser.script('/user-info'),
    'by one that renews all the time, Cognito having revoked nothing': force,
  })) {
    test(`${how}, within ${BOUND_SECS} s, whenever it was read`, async (context) => {
      const measured = {};
      for (const newIsolateAt of [0, MEMORY_SECS - 3, LAG_SECS - 5]) {
        await places.allWell();
        cognito.set({ revokeFault: '500' });
        await places.setWorld({ kvLagSecs: LAG_SECS });
        const browser = await here.signedIn();
        const other = at(there, browser);
        assert.equal((await other.script('/user-info')).status, 200);
        assert.equal((await browser.post('/auth/logout')).status, 200);
        measured[newIsolateAt] = Math.round(10 * await lastServedSecs(other, newIsolateAt, visit)) / 10;
      }
      const worst = Math.max(...Object.values(measured));
      context.diagnostic(`last served, by when an isolate first read it: ${JSON.stringify(measured)}; worst: ${worst} s`);
      assert.ok(worst < BOUND_SECS, `${worst} s`);
      assert.ok(worst >= LAG_SECS, 'the lag is there');
    });
  }
});
