// `npm run end-sessions`: signs one user out everywhere, by the mark in KV that the gateway reads (src/session/id.rs).
import { createHash } from 'node:crypto';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { ROOT, Stop, isMain, main } from './plain.mjs';
import { run, stopOnSignals, toolEnv } from './processes.mjs';

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

/** As `src/config`; tests/config.rs compares. */
const DEFAULT_SESSION_TTL_SECS = 432_000;
/** As `src/session/record.rs`; tests/config.rs compares. */
const MIN_KV_LIFE_SECS = 90;
const USER_TAG_BYTES = 16;

/** Every `sub` of Cognito. */
const SUB = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The user's part of KV keys: the first half of SHA-256("edgegate/user/1" ‖ iss ‖ 0 ‖ sub), as src/session/id.rs makes it. */
export function userTag(issuer, sub) {
  const digest = createHash('sha256').update('edgegate/user/1').update(issuer).update(Buffer.of(0)).update(sub).digest();
  return digest.subarray(0, USER_TAG_BYTES).toString('base64url');
}

/** The mark: sessions created up to its time are refused. It lives as long as the longest of them. */
export function markOf({ issuer, sub, ttlSecs, now }) {
  return { key: `ended/${userTag(issuer, sub)}`, value: String(now), ttlSecs: Math.max(ttlSecs, MIN_KV_LIFE_SECS) };
}

/** The issuer of a user pool; China has its own domain. */
export function issuerOf({ COGNITO_ISSUER: issuer, COGNITO_USER_POOL_ID: pool }) {
  if (issuer) return issuer;
  const [region] = (pool ?? '').split('_');
  if (!region) return undefined;
  return `https://cognito-idp.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/${pool}`;
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
  const vars = await variables(env);
  const issuer = options.issuer ?? issuerOf(vars);
  if (!issuer) throw new Stop(`wrangler.toml has no user pool for ${env ?? 'the top level'}: name the issuer with --issuer.`);
  const { key, value, ttlSecs } = markOf({ issuer, sub, ttlSecs: Number(vars.SESSION_TTL_SECS ?? DEFAULT_SESSION_TTL_SECS), now });
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
  const command = await commandOf(options, Math.floor(Date.now() / 1000));
  if (options['dry-run']) {
    console.log(`wrangler ${command.join(' ')}`);
    return;
  }
  const { ok } = await run('wrangler', command, { env: toolEnv() });
  if (!ok) throw new Stop('The mark was not written: what wrangler says above tells why. Nobody was signed out.');
  console.log('Every session that this user has made up to now ends; other locations see it within a minute or two.');
}

if (isMain(import.meta.url)) {
  stopOnSignals();
  await main(() => endSessions(process.argv.slice(2)));
}
