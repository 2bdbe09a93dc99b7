// `npm run end-sessions`: signs one user out everywhere, by a marker in KV (src/session/end_marker.rs).
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { ROOT, Stop, isMain, main } from './plain.mjs';
import { run, stopOnSignals, toolEnv } from './processes.mjs';
import { ensureRust } from './rust.mjs';

const HELP = `npm run end-sessions: ends every session that one user has made up to now.

Usage: npm run end-sessions -- --sub SUB [options]

  --sub SUB         the user: \`sub\` of the tokens, a UUID. \`aws cognito-idp admin-get-user --user-pool-id POOL --username NAME\`
                    shows it among the attributes; NAME is a user name, an e-mail address where the pool has them as aliases
  --issuer URL      the issuer, if it is not what wrangler.toml says
  --env NAME        environment of wrangler.toml (production; with --local the top level)
  --local           the KV of local development instead of Cloudflare's
  --persist-to DIR  with --local: where \`npm start\` keeps it (.wrangler/state)
  --dry-run         show the command instead of running it
  --help            show this

The user may sign in again: disable them in Cognito first if they must not. Other locations see it after KV's lag (60 s is
typical) and 30 s. To end everybody's sessions, replace the secret SESSION_KEYS by a new key under a new name.
`;

const OPTIONS = {
  'dry-run': { type: 'boolean' },
  env: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  issuer: { type: 'string' },
  local: { type: 'boolean' },
  'persist-to': { type: 'string' },
  sub: { type: 'string' },
};

/** Every `sub` of Cognito. */
const SUB = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The KV entry that ends the sessions which a user has made up to `now()`, asked once all is built: `{ key, value, ttlSecs }`. The gateway's own code makes it
 * (dev/end_marker.rs), from the variables of `wrangler.toml`.
 */
export async function endMarker({ vars, sub, now }) {
  await ensureRust({ forTests: false });
  const texts = Object.entries(vars).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
  const program = path.join(ROOT, 'target', 'debug', 'end-marker');
  if (!existsSync(program)) console.error('Building the part of the gateway that makes the marker (the first time takes half a minute) …');
  const built = await run('cargo', ['build', '--quiet', '--locked', '--bin', 'end-marker', '--target-dir', path.join(ROOT, 'target')], { quiet: true });
  if (built.missing) throw new Stop('Rust is missing: install it as https://rustup.rs says (one command) and run this again.');
  if (!built.ok) throw new Stop(`The marker could not be made.\n${built.output}`);
  const input = JSON.stringify({ vars: Object.fromEntries(texts), sub, now: now() });
  const { ok, output } = await run(program, [], { quiet: true, input });
  if (!ok) throw new Stop(`The marker could not be made.\n${output}`);
  return JSON.parse(output);
}

function parseOptions(args) {
  try {
    return util.parseArgs({ args, options: OPTIONS, allowPositionals: false }).values;
  } catch (error) {
    const [sentence] = error.message.split(/\.\s|\n/);
    throw new Stop(`${sentence.replace(/\.$/, '')}: \`npm run end-sessions -- --help\` lists the options.`);
  }
}

/** The variables of an environment, as wrangler reads them. */
async function variables(env) {
  const { unstable_readConfig: readConfig } = await import('wrangler');
  return readConfig({ config: path.join(ROOT, 'wrangler.toml'), env }, { hideWarnings: true }).vars;
}

/** wrangler's arguments for these options. */
export async function commandOf(options, now) {
  const { local = false } = options;
  const sub = options.sub?.toLowerCase();
  if (!SUB.test(sub ?? '')) {
    throw new Stop(
      '--sub wants the `sub` of a user, a UUID and neither an e-mail address nor a user name: ' +
        '`aws cognito-idp admin-get-user --user-pool-id POOL --username NAME` shows it among the attributes.',
    );
  }
  const env = options.env ?? (local ? undefined : 'production');
  if (options['persist-to'] && !local) throw new Stop('--persist-to is for --local.');
  if (options.issuer === '') throw new Stop('--issuer is empty: name the issuer, or leave the option out.');
  const vars = await variables(env);
  const issuer = options.issuer === undefined ? {} : { COGNITO_ISSUER: options.issuer };
  const { key, value, ttlSecs } = await endMarker({ vars: { ...vars, ...issuer }, sub, now });
  return [
    'kv', 'key', 'put', key, value, '--binding', 'SESSIONS', '--ttl', String(ttlSecs),
    ...(env === undefined ? [] : ['--env', env]),
    ...(local ? ['--local', '--persist-to', options['persist-to'] ?? path.join(ROOT, '.wrangler', 'state')] : ['--remote']),
  ];
}

async function endSessions(args) {
  const options = parseOptions(args);
  if (options.help) {
    console.log(HELP);
    return;
  }
  const command = await commandOf(options, () => Math.floor(Date.now() / 1000));
  if (options['dry-run']) {
    console.log(`wrangler ${command.join(' ')}`);
    return;
  }
  const { ok } = await run('wrangler', command, { env: toolEnv() });
  if (!ok) throw new Stop('The marker was not written: what wrangler says above tells why. Nobody was signed out.');
  console.log('Every session that this user has made up to now ends; other locations see it within a minute or two.');
}

if (isMain(import.meta.url)) {
  stopOnSignals();
  await main(() => endSessions(process.argv.slice(2)));
}
