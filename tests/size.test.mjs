import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GZIP_AT_MOST } from '../bench/targets.mjs';
import { OUTPUTS } from '../dev/build-stamp.mjs';
import { DEPLOYED, build } from '../dev/build.mjs';
import { measure, sizeTable } from '../dev/size-report.mjs';

test('wasm and JavaScript together stay within the size that is promised, gzipped', async () => {
  await build();
  const rows = measure(DEPLOYED.folder, OUTPUTS);
  assert.ok(rows.at(-1).gzip <= GZIP_AT_MOST, `\n${sizeTable(rows)}`);
});
