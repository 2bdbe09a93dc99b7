// Makes a fresh clone ready to run: checks every tool the project needs and installs what it can. What it cannot, it
// names in one sentence with the remedy.
import process from 'node:process';
import { ensureCargoTools } from './cargo-tools.mjs';
import { ensureChromium } from './chromium.mjs';
import { ensurePackages } from './npm-packages.mjs';
import { Stop } from './plain.mjs';
import { ensureRust } from './rust.mjs';

/** The scripts start under the Node that the machine has and then use the one among the npm packages. */
const MIN_NODE_MAJOR = 20;

/** `forTests` adds what only tests need; `browser: false` leaves Chromium out of that. */
export async function setup({ forTests = false, browser = forTests } = {}) {
  if (process.platform === 'win32') {
    throw new Stop('These scripts need Linux or macOS: on Windows run them inside WSL.');
  }
  if (Number(process.versions.node.split('.')[0]) < MIN_NODE_MAJOR) {
    throw new Stop(
      `Node ${MIN_NODE_MAJOR} or newer is needed and this is ${process.versions.node}: get it from https://nodejs.org.`,
    );
  }
  await ensureRust({ forTests });
  await ensurePackages();
  await ensureCargoTools();
  if (browser) await ensureChromium();
}

export { ensureDevVars } from './dev-vars.mjs';
