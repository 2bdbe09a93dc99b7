// Few dependencies, each in an exact or locked version and with a reason on its line.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { ROOT } from '../dev/plain.mjs';

const read = (file) => readFileSync(`${ROOT}/${file}`, 'utf8');

/** `{ name, requirement, reason }` of the dependencies in a Cargo.toml, in all of its tables. */
function crates(manifest) {
  const found = [];
  let inTable = false;
  for (const line of manifest.split('\n')) {
    if (line.startsWith('[')) inTable = /^\[(.+\.)?(dev-|build-)?dependencies\]$/.test(line.trim());
    else if (inTable && /^[\w-]+ *=/.test(line)) {
      const [, name, given, reason = ''] = /^([\w-]+) *= *(.*?)(?:\s+# (.*))?$/.exec(line);
      found.push({ name, requirement: /(?:version = )?"([^"]+)"/.exec(given)?.[1] ?? given, reason });
    }
  }
  return found;
}

function complaints(manifest) {
  return crates(manifest).flatMap(({ name, requirement, reason }) => [
    ...(reason.length < 10 ? [`${name} has no reason`] : []),
    ...(/^=?\d/.test(requirement) ? [] : [`${name} is not held to a version`]),
  ]);
}

test('each crate has a reason and a version', () => {
  const manifest = read('Cargo.toml');
  assert.ok(crates(manifest).length >= 15, `${crates(manifest).length} crates`);
  assert.deepEqual(complaints(manifest), []);
});

test('a crate without a reason, or with any version, is found', () => {
  const manifest = '[dependencies]\na = "1" # holds something together\nb = "1"\n[target.x.dependencies]\nc = { version = "*" } # all of them, always\n[x]\nd = "1"\n';
  assert.deepEqual(complaints(manifest), ['b has no reason', 'c is not held to a version']);
});

test('each npm package has a reason and one exact version, and none goes into the Worker', () => {
  const { dependencies, devDependencies, '//devDependencies': reasons } = JSON.parse(read('package.json'));
  assert.equal(dependencies, undefined);
  assert.deepEqual(Object.keys(devDependencies).sort(), Object.keys(reasons).sort());
  for (const [name, version] of Object.entries(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/, name);
});

test('the lock files name no host but the public registries', () => {
  assert.doesNotMatch(read('package-lock.json'), /"resolved"/);
  const sources = new Set(read('Cargo.lock').match(/^source = .*$/gm));
  assert.deepEqual([...sources], ['source = "registry+https://github.com/rust-lang/crates.io-index"']);
});
