// A lock between processes: a folder that exists while someone holds it. Its owner touches it every two seconds, so
// that a lock whose owner was killed is recognised and taken over.
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { mkdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

const HEARTBEAT_MS = 2_000;

/** Far above the heartbeat, so that a busy machine or a short sleep of a laptop is not taken for a death. */
const STALE_MS = 60_000;

/** A folder without its owner's name yet: the owner is about to write it. */
const NEWBORN_MS = 3_000;

/** Takes the lock and returns `{ release }`, or `{ owner }` (a process number, or undefined) if it is held. */
export async function tryLock(folder) {
  await mkdir(path.dirname(folder), { recursive: true });
  try {
    mkdirSync(folder);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const holder = await holderOf(folder);
    if (holder.alive) return { owner: holder.pid };
    await removeStale(folder, holder.text);
    return tryLock(folder);
  }
  await writeFile(path.join(folder, 'owner'), `${process.pid} ${os.hostname()}`);
  const heartbeat = setInterval(() => utimes(folder, new Date(), new Date()).catch(() => {}), HEARTBEAT_MS);
  heartbeat.unref();
  const release = () => {
    clearInterval(heartbeat);
    process.off('exit', release);
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', release);
  return { release };
}

/** Does `work` under the lock; `onWait(owner)` is called once if another process holds it. */
export async function withLock(folder, onWait, work) {
  let waited = false;
  for (;;) {
    const { release, owner } = await tryLock(folder);
    if (release) {
      try {
        return await work({ waited });
      } finally {
        release();
      }
    }
    if (!waited) onWait(owner);
    waited = true;
    await sleep(300);
  }
}

async function holderOf(folder) {
  try {
    const { mtimeMs } = await stat(folder);
    const age = Date.now() - mtimeMs;
    const text = await readFile(path.join(folder, 'owner'), 'utf8').catch(() => '');
    const [pid, host] = text.split(' ');
    if (age > STALE_MS) return { alive: false, text };
    if (text === '') return { alive: age < NEWBORN_MS, text };
    return { alive: host !== os.hostname() || isRunning(Number(pid)), pid: Number(pid), text };
  } catch {
    return { alive: false, text: '' }; // released meanwhile
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Moves the folder away first: of several processes that found it stale, one succeeds. */
async function removeStale(folder, text) {
  const aside = `${folder}.stale-${process.pid}`;
  try {
    await rename(folder, aside);
  } catch {
    return;
  }
  const moved = await readFile(path.join(aside, 'owner'), 'utf8').catch(() => '');
  if (moved !== text) await rename(aside, folder).catch(() => {}); // someone else had already taken it over
  await rm(aside, { recursive: true, force: true });
}
