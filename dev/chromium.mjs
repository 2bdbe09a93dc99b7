// The browser of the browser tests: Chromium or Chrome, as installed on the machine.
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { aptInstall } from './debian.mjs';
import { Stop } from './plain.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const MAC_APPS = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The path of a Chromium: `CHROMIUM_BIN`, or the first that is found. */
export function findChromium() {
  if (process.env.CHROMIUM_BIN) {
    if (isProgram(process.env.CHROMIUM_BIN)) return process.env.CHROMIUM_BIN;
    throw new Stop('CHROMIUM_BIN does not name a program: set it to the path of a Chromium or Chrome, or unset it.');
  }
  const folders = ['/usr/bin', ...(process.env.PATH ?? '').split(path.delimiter)];
  const candidates = folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name)));
  return [...candidates, ...MAC_APPS].find(isProgram);
}

export async function ensureChromium() {
  if (!findChromium()) await aptInstall(['chromium']);
  const found = findChromium();
  if (found) return found;
  throw new Stop(
    'The browser tests need Chromium: install it (Debian: `apt-get install chromium`), or set CHROMIUM_BIN to the path ' +
      'of a Chromium or Chrome.',
  );
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
