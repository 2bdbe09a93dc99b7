// On Debian and Ubuntu as root, missing system packages can be installed without asking anyone.
import { existsSync } from 'node:fs';
import process from 'node:process';
import { run, toolEnv } from './processes.mjs';

/** Installs the packages with apt-get; false if this is not such a machine or apt-get failed (its output is shown). */
export async function aptInstall(packages) {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return false;
  console.log(`Installing ${packages.join(' and ')} with apt-get …`);
  const env = toolEnv({ DEBIAN_FRONTEND: 'noninteractive' });
  await run('apt-get', ['update'], { quiet: true, env });
  const install = await run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { quiet: true, env });
  if (!install.ok) console.error(install.output);
  return install.ok;
}
