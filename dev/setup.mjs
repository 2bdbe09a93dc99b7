// Makes a fresh clone ready to run: checks every tool the project needs and installs what it can. What it cannot, it
// names in one sentence with the remedy.
import process from 'node:process';
import { ensureCargoTools } from './cargo-tools.mjs';
import { ensureChromium } from './chromium.mjs';
import { ensurePackages } from './npm-packages.mjs';
import { Stop, checkNode } from './plain.mjs';
import { ensureRust } from './rust.mjs';

/** `forTests` adds what only tests need; `browser: false` leaves Chromium out of that. */
export async function setup({ forTests = false, browser = forTests } = {}) {
  if (process.platform === 'win32') {
    throw new Stop('These scripts need Linux or macOS: on Windows run them inside WSL.');
  }
  checkNode();
  await ensureRust({ forTests });
  await ensurePackages();
  await ensureCargoTools({ forTests });
  if (browser) await ensureChromium();
}

export { ensureDevVars } from './dev-vars.mjs';
