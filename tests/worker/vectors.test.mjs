// The public JWS and JWK cases through wasm and WebCrypto. tests/vectors.rs judges them natively; both are held against the same
// verdicts, so a difference between the two fails here or there. The cases are not part of this repository.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';

import { SELF_TEST, withGateway } from '../support/gateway.mjs';
import { assertVerdicts } from '../support/verdicts.mjs';

const folder = process.env.EDGEGATE_VECTORS;

test('every public JWS and JWK case is judged as an RS256-only verifier must', { skip: folder ? false : 'EDGEGATE_VECTORS is not set' }, async () => {
  const lines = readFileSync(path.join(folder, 'rs256_jws_cases.jsonl'), 'utf8').split('\n').filter((line) => line.trim());
  const cases = lines.map((line) => JSON.parse(line)).map((each) => ({ ...each, valid: each.expect === 'valid' }));
  assert.ok(cases.length >= 455 && cases.filter(({ valid }) => valid).length === 10, `${cases.length} cases`);
  await withGateway({ main: SELF_TEST }, (gateway) => assertVerdicts(gateway, cases));
});
