// `npm run cognito`: the local Cognito and the sample API, for working on the gateway or on an app behind it.

import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { startSampleApi } from '../api/server.mjs';
import { startCognito } from './server.mjs';
import { describeKind, SWITCHES } from './switches.mjs';

export const COGNITO_PORT = 9400;
export const API_PORT = 9401;
export const PUBLIC_URL = 'http://localhost:8787';

/** Both servers, or neither: a taken port rejects with a `PortTaken` that says what to do. */
export async function startAll({ port = COGNITO_PORT, apiPort = API_PORT, publicUrls = [PUBLIC_URL], accessTtl } = {}) {
  const bases = publicUrls.map((url) => new URL(url).origin);
  const cognito = await startCognito({
    port,
    callbackUrls: bases.flatMap((base) => [`${base}/auth/callback`, `${base}/signed-in.html`]),
    logoutUrls: bases.map((base) => `${base}/`),
    ...(accessTtl && { accessTtl }),
  }).catch((error) => { throw explain(error, port, '--port'); });
  try {
    const api = await startSampleApi({ port: apiPort, issuer: cognito.issuer, clientId: cognito.clientId, allowedOrigins: bases });
    return { cognito, api, close: () => Promise.all([cognito.close(), api.close()]) };
  } catch (error) {
    await cognito.close();
    throw explain(error, apiPort, '--api-port');
  }
}

export class PortTaken extends Error {}

function explain(error, port, option) {
  if (error.code !== 'EADDRINUSE') return error;
  return new PortTaken(`Port ${port} is taken: stop the program that uses it, or choose another with "npm run cognito -- ${option} ${port + 10}".`);
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(help());
    return;
  }
  const running = await startAll(options);
  console.log(banner(running));
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await running.close();
      process.exit(0);
    });
  }
}

function parseOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string', default: String(COGNITO_PORT) },
      'api-port': { type: 'string', default: String(API_PORT) },
      'public-url': { type: 'string', multiple: true, default: [PUBLIC_URL] },
      'access-ttl': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return {
    help: values.help,
    port: parsePort('--port', values.port),
    apiPort: parsePort('--api-port', values['api-port']),
    publicUrls: values['public-url'].map(parsePublicUrl),
    accessTtl: values['access-ttl'] && parseSeconds('--access-ttl', values['access-ttl']),
  };
}

function parsePort(option, text) {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) throw new TypeError(`${option} takes a port number, not "${text}".`);
  return Number(text);
}

function parseSeconds(option, text) {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new TypeError(`${option} takes a number of seconds, not "${text}".`);
  return Number(text);
}

function parsePublicUrl(text) {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) throw new TypeError(`--public-url takes a URL like ${PUBLIC_URL}, not "${text}".`);
  return text;
}

function banner({ cognito, api }) {
  const accounts = Object.values(cognito.users).map(({ email, password, groups }) => (
    `${email} / ${password}${groups ? `  (${groups.join(', ')})` : ''}`));
  return `
Local Cognito (development only: test accounts, loopback only, everything forgotten at the end)
  domain      ${cognito.origin}
  issuer      ${cognito.issuer}
  app client  ${cognito.clientId}
  accounts    ${accounts.join('\n              ')}
  switches    ${cognito.origin}/_control
  sample API  ${api.origin}/hello
Ctrl-C ends it.
`;
}

function help() {
  const width = Math.max(...SWITCHES.map(({ name }) => name.length));
  const switches = SWITCHES.map((row) => `  ${row.name.padEnd(width)}  ${row.says} [${describeKind(row)}; ${JSON.stringify(row.default)}]`);
  return `npm run cognito -- [options]

A local stand-in for Amazon Cognito, and a sample API. Development only.

  --port N          port of the local Cognito (${COGNITO_PORT})
  --api-port N      port of the sample API (${API_PORT})
  --public-url URL  where the gateway is (${PUBLIC_URL}); repeatable. Registers URL/auth/callback, URL/signed-in.html
                    and the sign-out URL URL/
  --access-ttl N    life of ID and access tokens in seconds (3600)
  --help            this

Switches, at /_control in a browser or as JSON: curl -d '{"rotation":true}' http://127.0.0.1:${COGNITO_PORT}/_control

${switches.join('\n')}`;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    const expected = error instanceof PortTaken || error instanceof TypeError || error.code?.startsWith('ERR_PARSE_ARGS');
    console.error(expected ? error.message : error);
    process.exitCode = 1;
  });
}
