// The contestants: what each one's workerd runs and how it is configured. All are alive together, each in its own process.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { ROOT } from '../dev/plain.mjs';
import { CLIENT_ID, DOMAIN, ISSUER, POOL_ID } from './cognito.mjs';
import { HONO_SECRET, HOST } from './requests.mjs';
import { startWorkerd, writeConfig } from './workerd.mjs';

/** The address of the fronted site. Every host leads to world.mjs, and no TLS is measured. */
const ORIGIN_URL = 'https://d111111abcdef8.cloudfront.net';

/** BENCH ONLY: seals nothing that matters. */
const SESSION_KEYS = 'v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';

/** What each process is called in the report, by the names that the cases use. */
export const TITLES = {
  bare: 'bare pass-through',
  edgegate: 'Edgegate',
  hono: '@hono/oidc-auth',
  jose: 'jose',
  'aws-jwt-verify': 'aws-jwt-verify',
};

const COGNITO = { COGNITO_USER_POOL_ID: POOL_ID, COGNITO_CLIENT_ID: CLIENT_ID, COGNITO_ISSUER: ISSUER };

const EDGEGATE = {
  ...COGNITO,
  PUBLIC_URL: `https://${HOST}`,
  COGNITO_CLIENT_SECRET: 'benchonly0123456789abcdef0123456789',
  COGNITO_DOMAIN: DOMAIN,
  SESSION_KEYS,
  RULES: '[{"path":"/*","allow":"signed-in"}]',
};

const HONO = {
  OIDC_AUTH_SECRET: HONO_SECRET,
  OIDC_ISSUER: ISSUER,
  OIDC_CLIENT_ID: CLIENT_ID,
  OIDC_CLIENT_SECRET: 'benchonly0123456789abcdef0123456789',
  OIDC_REDIRECT_URI: `https://${HOST}/callback`,
};

/** Every process: its modules and bindings. */
export async function contestants(jwks) {
  const bare = await bundled('bare');
  const edgegate = { 'index.js': built('index.js'), 'index_bg.wasm': built('index_bg.wasm') };
  const hono = await bundled('hono');
  const verifier = { ...COGNITO, JWKS: jwks };
  return {
    'bare embedded': { modules: bare, bindings: {} },
    'bare fronted': { modules: bare, bindings: { ORIGIN_URL } },
    'edgegate embedded': { modules: edgegate, bindings: EDGEGATE },
    'edgegate fronted': { modules: edgegate, bindings: { ...EDGEGATE, ORIGIN_URL } },
    'hono embedded': { modules: hono, bindings: HONO },
    'hono fronted': { modules: hono, bindings: { ...HONO, ORIGIN_URL } },
    'jose embedded': { modules: await bundled('jose'), bindings: verifier },
    'aws-jwt-verify embedded': { modules: await bundled('aws-jwt-verify'), bindings: verifier },
  };
}

function built(name) {
  return readFileSync(path.join(ROOT, 'build', name));
}

/** As wrangler would bundle it for workerd. */
async function bundled(name) {
  const { outputFiles: [file] } = await build({
    entryPoints: [path.join(import.meta.dirname, 'contestants', `${name}.mjs`)],
    bundle: true, format: 'esm', target: 'es2024', minify: true, write: false,
    conditions: ['workerd', 'worker', 'browser'], external: ['cloudflare:*'],
  });
  return { 'index.js': file.contents };
}

/** A folder for each, with what workerd needs. */
export function writeAll(folder, all, world) {
  for (const [name, one] of Object.entries(all)) writeConfig(folderOf(folder, name), { ...one, world });
}

export function folderOf(folder, name) {
  return path.join(folder, name.replace(' ', '-'));
}

/** Starts these; `{ name: { pid, port, stop } }`. */
export async function startAll(folder, names) {
  const started = await Promise.all(names.map((name) => startWorkerd(folderOf(folder, name), name)));
  return Object.fromEntries(names.map((name, index) => [name, started[index]]));
}
