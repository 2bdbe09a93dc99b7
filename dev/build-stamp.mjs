// Whether a build's folder already holds what the sources would give: a hash over everything that goes into the build, kept beside
// its result together with a hash of that result.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './plain.mjs';

/** What wrangler takes: the module and the wasm it imports. */
export const OUTPUTS = ['index.js', 'index_bg.wasm'];

/** Beside src/. A file elsewhere that the crate includes at compile time belongs here too. */
const INPUT_FILES = ['Cargo.toml', 'Cargo.lock', 'build.rs', '.cargo/config.toml', 'rust-toolchain.toml', 'dev/build.mjs'];

/** npm packages that shape the output. */
const INPUT_PACKAGES = ['binaryen', 'esbuild'];

/** One hash over the names and contents of all inputs. Cargo.lock stands for the versions of the cargo tools. */
export function inputHash(root = ROOT) {
  const hash = createHash('sha256');
  for (const file of [...INPUT_FILES, ...filesUnder(root, 'src')]) {
    if (!existsSync(path.join(root, file))) continue;
    const bytes = readFileSync(path.join(root, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  const { devDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const name of INPUT_PACKAGES) hash.update(`${name}\0${devDependencies[name]}\0`);
  return hash.digest('hex');
}

function filesUnder(root, folder) {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const name = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesUnder(root, name) : [name];
    })
    .sort();
}

function outputHash(folder) {
  const hash = createHash('sha256');
  for (const name of OUTPUTS) hash.update(readFileSync(path.join(folder, name)));
  return hash.digest('hex');
}

const stampFile = (folder) => path.join(folder, '.stamp.json');

export function isUpToDate(folder, root = ROOT) {
  try {
    const stamp = JSON.parse(readFileSync(stampFile(folder), 'utf8'));
    return stamp.inputs === inputHash(root) && stamp.outputs === outputHash(folder);
  } catch {
    return false; // no stamp, or no output
  }
}

/** `inputs` is the hash from before the build: a source edited meanwhile makes the next build run again. */
export function writeStamp(inputs, folder) {
  writeFileSync(stampFile(folder), JSON.stringify({ inputs, outputs: outputHash(folder) }));
}
