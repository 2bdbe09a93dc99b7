// Node's packages: installs them when they are missing, half installed or not those of package-lock.json, and makes
// sure that the programs among them run.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, Stop, WORK_DIR, elapsed } from './plain.mjs';
import { withLock } from './lock.mjs';
import { run } from './processes.mjs';

/** Wrangler refuses older ones. The `node` package brings one that is new enough. */
const MIN_NODE = [22, 12];

const PROGRAMS = ['node', 'esbuild', 'workerd', 'wasm-opt'];

export async function ensurePackages() {
  if (packagesProblem() === undefined && (await broken()).length === 0) return;
  await withLock(
    path.join(WORK_DIR, 'npm.lock'),
    () => console.log('Waiting for another run that installs the npm packages …'),
    install,
  );
}

async function install() {
  let problem = packagesProblem();
  if (problem) {
    await runNpm(['ci', '--no-audit', '--no-fund'], `Installing the npm packages (${problem}) …`);
    problem = packagesProblem();
    if (problem) throw new Stop(`\`npm ci\` ended well, but ${problem}: delete node_modules and run this again.`);
  }
  let failing = await broken();
  if (failing.length > 0) {
    await runNpm(['rebuild'], `Finishing the npm packages (${failing.join(', ')} would not run) …`);
    failing = await broken();
  }
  if (failing.length > 0) {
    throw new Stop(
      `npm installed ${failing.join(', ')}, but ${failing.length > 1 ? 'they do' : 'it does'} not run, mostly because ` +
        'npm is set to skip install scripts: run `npm rebuild --ignore-scripts=false` in this folder once' +
        (failing.includes('node') ? `, or use Node ${MIN_NODE.join('.')} or newer.` : '.'),
    );
  }
}

async function runNpm(args, announcement) {
  const since = Date.now();
  console.log(announcement);
  const npm = await run('npm', args, { quiet: true });
  if (npm.missing) throw new Stop('npm is missing: install it (it comes with Node from https://nodejs.org) and run this again.');
  if (!npm.ok) {
    console.error(npm.output);
    throw new Stop(`\`npm ${args.join(' ')}\` failed: npm's own lines above say why.`);
  }
  console.log(`npm ${args[0]} took ${elapsed(since)}.`);
}

/** Why `npm ci` is needed, or undefined. Compares what npm recorded at its last complete install with the lock file. */
export function packagesProblem(root = ROOT) {
  if (!existsSync(path.join(root, 'node_modules'))) return 'there are none yet';
  const wanted = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
  let installed;
  try {
    // npm writes this last, so an interrupted install has none.
    installed = JSON.parse(readFileSync(path.join(root, 'node_modules', '.package-lock.json'), 'utf8')).packages;
  } catch {
    return 'the last installation did not finish';
  }
  for (const [where, entry] of Object.entries(wanted)) {
    if (where === '') continue;
    const there = installed[where];
    if (there ? there.version !== entry.version || there.integrity !== entry.integrity : !entry.optional) {
      return 'package-lock.json has changed';
    }
  }
  const gone = Object.keys(wanted[''].devDependencies ?? {}).find(
    (name) => !existsSync(path.join(root, 'node_modules', name, 'package.json')),
  );
  return gone && `${gone} has been removed`;
}

/** The programs that do not run, with the project's own folder first on the path. */
async function broken() {
  const results = await Promise.all(PROGRAMS.map((name) => run(name, ['--version'], { quiet: true })));
  return PROGRAMS.filter((name, index) => {
    const { ok, output } = results[index];
    return !ok || (name === 'node' && !isNewEnough(output));
  });
}

function isNewEnough(version) {
  const [, major, minor] = version.match(/^v(\d+)\.(\d+)/)?.map(Number) ?? [0, 0, 0];
  return major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
}
