// Strict mode's lines of wrangler.toml, which are comments there until somebody wants them: for `npm start -- --strict`, and for
// the test that they are right.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, Stop } from './plain.mjs';

/** Beside wrangler.toml, for its paths count from its folder. */
const FILE = path.join(ROOT, 'wrangler.strict.toml');

/** How each of these lines begins. */
const MARK = /^#~ ?/;

/** `toml` with strict mode switched on. */
export function withStrictMode(toml) {
  const lines = toml.split('\n');
  if (!lines.some((line) => MARK.test(line))) throw new Stop('wrangler.toml has no lines that begin with "#~" any more: strict mode may be on already.');
  return lines.map((line) => line.replace(MARK, '')).join('\n');
}

/** Writes such a file, made of wrangler.toml as it is now, and gives its path. */
export function writeStrictConfig() {
  const toml = readFileSync(path.join(ROOT, 'wrangler.toml'), 'utf8');
  writeFileSync(FILE, `# Made of wrangler.toml by dev/strict-config.mjs; not committed.\n${withStrictMode(toml)}`);
  return FILE;
}
