// Another host, which hopes to be sent codes, secrets, tokens or visitors: every request to it is a fault.

import assert from 'node:assert/strict';

import { startOrigin } from './origin.mjs';

export async function startThief() {
  const { origin, host, requests, close } = await startOrigin({});
  const assertNotAsked = () => assert.deepEqual(requests.map(({ method, url }) => `${method} ${url}`), [], 'something was sent to another host');
  return {
    origin,
    host,
    assertNotAsked,
    close() {
      close();
      assertNotAsked();
    },
  };
}
