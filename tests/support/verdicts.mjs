// Verdicts of the Worker's own code on keys and tokens that no key set of a Cognito would hold, wasm and the platform's cryptography
// together: through the tests' own build (src/platform/self_test.rs).

import assert from 'node:assert/strict';

/** Fails unless each case `{ id, jwk, jws, valid }` is judged so. The gateway is one of the SELF_TEST build. */
export async function assertVerdicts(gateway, cases) {
  const body = JSON.stringify(cases.map(({ id, jwk, jws }) => ({ id, jwk, jws })));
  const response = await gateway.fetch('/self-test/jws', { method: 'POST', body });
  assert.equal(response.status, 200, await response.clone().text());
  const verdicts = await response.json();
  const wrong = cases.filter(({ id, valid }) => verdicts[id] !== valid).map(({ id, valid }) => `${id}: ${verdicts[id]}, not ${valid}`);
  assert.deepEqual(wrong, []);
}
