// What every script here shares: where the project is, and how a script ends when the user has to do something.
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Locks, logs and other leftovers of the scripts; ignored by git. */
export const WORK_DIR = path.join(ROOT, '.edgegate');

/** An ending the user can act on. Its message is one plain sentence with the remedy, shown without a stack trace. */
export class Stop extends Error {}

/** Set when the user or the system has asked this process to end. */
export const ending = { requested: false };

/** The scripts start under the Node that the machine has and then use the one among the npm packages. */
const MIN_NODE_MAJOR = 20;

export function checkNode() {
  const { node } = process.versions;
  if (Number(node.split('.')[0]) >= MIN_NODE_MAJOR) return;
  throw new Stop(`Node ${MIN_NODE_MAJOR} or newer is needed and this is ${node}: get it from https://nodejs.org.`);
}

/** Runs a script's main function; a `Stop` becomes its sentence and exit code 1. */
export async function main(work) {
  try {
    checkNode();
    await work();
  } catch (error) {
    if (ending.requested) return; // what fails then fails because it was stopped
    if (!(error instanceof Stop)) throw error;
    console.error(`\n${error.message}\n`);
    process.exit(1); // not waiting for what may still be under way
  }
}

/** Whether this module is the script that node was asked to run. */
export function isMain(moduleUrl) {
  return process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(moduleUrl);
}

/** `95 s` or `3 min 05 s`, since a time from `Date.now()`. */
export function elapsed(since) {
  const seconds = Math.round((Date.now() - since) / 1000);
  if (seconds < 100) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}
