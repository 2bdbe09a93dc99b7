// The options of `npm start`, and what follows from them: addresses, and the variables that wrangler is to override.
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { ROOT, Stop } from './plain.mjs';

const DEFAULTS = { port: 8787, cognitoPort: 9400, apiPort: 9401 };

/** The user pool of the local Cognito, as in wrangler.toml. */
const POOL_ID = 'us-east-1_Local0001';

export const HELP = `npm start: the gateway with a local Cognito beside it.

Usage: npm start [-- options]

  --port N            the gateway's port (${DEFAULTS.port})
  --cognito-port N    the local Cognito's port (${DEFAULTS.cognitoPort})
  --api-port N        the sample API's port (${DEFAULTS.apiPort})
  --https             serve the gateway on https, with a self-signed certificate
  --redirect-page     let Cognito return to the page /signed-in.html instead of /auth/callback
  --strict            strict mode: a Durable Object guards each user's sessions
  --access-ttl SECS   life of the access tokens that the local Cognito gives
  --var NAME=VALUE    another value for a variable of wrangler.toml or .dev.vars; may be repeated
  --persist-to DIR    keep the local KV there instead of in .wrangler/state
  --help              show this
`;

const OPTIONS = {
  'access-ttl': { type: 'string' },
  'api-port': { type: 'string' },
  'cognito-port': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  https: { type: 'boolean' },
  'persist-to': { type: 'string' },
  port: { type: 'string' },
  'redirect-page': { type: 'boolean' },
  strict: { type: 'boolean' },
  var: { type: 'string', multiple: true },
};

/** Reads the command line; a mistake in it becomes one sentence. */
export function parseOptions(args, env = process.env) {
  const swallowed = Object.keys(OPTIONS).find((name) => name.includes('port') && env[`npm_config_${name.replace('-', '_')}`]);
  if (swallowed)
    throw new Stop(`npm kept --${swallowed} for itself: put \`--\` before it, as in \`npm start -- --${swallowed} …\`.`);
  let values;
  try {
    ({ values } = util.parseArgs({ args, options: OPTIONS, allowPositionals: false }));
  } catch (error) {
    const [sentence] = error.message.split(/\.\s|\n/);
    throw new Stop(`${sentence.replace(/\.$/, '')}: \`npm start -- --help\` lists the options.`);
  }
  const {
    port = DEFAULTS.port,
    'cognito-port': cognitoPort = DEFAULTS.cognitoPort,
    'api-port': apiPort = DEFAULTS.apiPort,
  } = values;
  return {
    help: values.help ?? false,
    https: values.https ?? false,
    redirectPage: values['redirect-page'] ?? false,
    strict: values.strict ?? false,
    port: parsePort('--port', port),
    cognitoPort: parsePort('--cognito-port', cognitoPort),
    apiPort: parsePort('--api-port', apiPort),
    accessTtl: values['access-ttl'] === undefined ? undefined : parseSeconds('--access-ttl', values['access-ttl']),
    persistTo: path.resolve(values['persist-to'] ?? path.join(ROOT, '.wrangler', 'state')),
    vars: Object.fromEntries((values.var ?? []).map(parseVar)),
  };
}

function parsePort(option, text) {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Stop(`${option} wants a port from 1 to 65535 and got "${text}".`);
}

function parseSeconds(option, text) {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds > 0) return seconds;
  throw new Stop(`${option} wants a whole number of seconds and got "${text}".`);
}

function parseVar(text) {
  const [, name, value] = text.match(/^([A-Za-z_]\w*)=(.*)$/s) ?? [];
  if (name) return [name, value];
  throw new Stop(`--var wants NAME=VALUE, as in \`--var BROWSER_TOKENS=none\`, and got "${text}".`);
}

/** The addresses of a run. The gateway is `localhost` for the browser, as its cookies and redirects name it. */
export function addresses({ https, port, cognitoPort, apiPort }) {
  const cognito = `http://127.0.0.1:${cognitoPort}`;
  return {
    gateway: `${https ? 'https' : 'http'}://localhost:${port}`,
    cognito,
    issuer: `${cognito}/${POOL_ID}`,
    api: `http://127.0.0.1:${apiPort}`,
  };
}

/** The variables that differ from wrangler.toml, which fits the default ports; `--var` has the last word. */
export function varOverrides(options) {
  const here = addresses(options);
  const usual = addresses({ https: false, ...DEFAULTS });
  return {
    ...(here.gateway !== usual.gateway && { PUBLIC_URL: here.gateway }),
    ...(here.cognito !== usual.cognito && { COGNITO_DOMAIN: here.cognito, COGNITO_ISSUER: here.issuer }),
    ...(here.api !== usual.api && { API_URL: here.api }),
    ...(options.redirectPage && { REDIRECT_URI: `${here.gateway}/signed-in.html` }),
    ...options.vars,
  };
}
