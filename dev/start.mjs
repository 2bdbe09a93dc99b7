// `npm start`: checks and builds what is needed, starts the local Cognito and the gateway, says where to go, and stops
// both on Ctrl-C.
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from './build.mjs';
import { gatewayLog } from './gateway-log.mjs';
import { tryLock } from './lock.mjs';
import { Stop, elapsed, ending, main } from './plain.mjs';
import { checkPorts } from './ports.mjs';
import { probe } from './probe.mjs';
import { start, stopAll, stopOnSignals, toolEnv } from './processes.mjs';
import { ensureDevVars, setup } from './setup.mjs';
import { HELP, addresses, parseOptions, varOverrides } from './start-options.mjs';
import { writeStrictConfig } from './strict-config.mjs';

/** The Worker's log line of a request comes a moment after the answer. */
const LOG_DELAY_MS = 200;

/** How long a part may take until it answers; a slow machine needs a tenth of it. */
const START_LIMIT_MS = 90_000;

const PROBE_EVERY_MS = 150;

async function startAll(args) {
  const options = parseOptions(args);
  if (options.help) {
    console.log(HELP);
    return;
  }
  const since = Date.now();
  const ports = [
    { port: options.port, option: '--port', what: 'the gateway' },
    { port: options.cognitoPort, option: '--cognito-port', what: 'the local Cognito' },
    { port: options.apiPort, option: '--api-port', what: 'the sample API' },
  ];
  await checkPorts(ports);
  stopOnSignals({ exitCode: 0, announce: () => console.log('\nStopping …') });
  await setup();
  const note = ensureDevVars();
  if (note) console.log(note);
  await lockState(options.persistTo);
  await build();

  const here = addresses(options);
  const cognito = startCognito(options, here);
  const gateway = startGateway(options);
  const parts = [cognito, gateway];
  const failure = firstEnd(parts);
  try {
    await Promise.race([failure, Promise.all([untilCognito(cognito, here), untilGateway(gateway, here)])]);
    console.log(welcome(here, since));
    await failure;
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** Two runs on one KV folder would lock each other's database. */
async function lockState(persistTo) {
  const { owner, release } = await tryLock(path.join(persistTo, '.in-use'));
  if (release) return;
  throw new Stop(
    `Another \`npm start\` (process ${owner}) keeps its sessions in the same folder: stop it, or give this one a folder of ` +
      'its own with `npm start -- --persist-to DIR`.',
  );
}

function startCognito(options, here) {
  const args = ['dev/cognito/main.mjs', '--port', options.cognitoPort, '--api-port', options.apiPort];
  args.push('--public-url', here.gateway);
  if (options.accessTtl !== undefined) args.push('--access-ttl', options.accessTtl);
  return startPart('the local Cognito', 'cognito', 'node', args, (show) => show);
}

function startGateway(options) {
  const args = ['--no-warnings', 'node_modules/wrangler/bin/wrangler.js', 'dev'];
  args.push('--port', options.port, '--persist-to', options.persistTo);
  // Port 0 is any free one: two runs must not meet there either.
  args.push('--inspector-port', 0, '--show-interactive-dev-session=false');
  if (options.strict) args.push('--config', writeStrictConfig());
  if (options.https) args.push('--local-protocol', 'https');
  for (const [name, value] of Object.entries(varOverrides(options))) args.push('--var', `${name}:${value}`);
  return startPart('the gateway', 'gateway', 'node', args, gatewayLog);
}

/** Starts one part. Until `ready`, its output is only kept; afterwards each line is shown under its name. */
function startPart(what, name, command, args, filter) {
  const part = { what, ready: false, held: [] };
  const show = (line) => {
    if (part.ready) console.log(`${name}  ${line}`);
    else part.held.push(line);
  };
  const env = toolEnv({ CI: '1', NO_COLOR: '1' });
  part.child = start(command, args.map(String), { env, onLine: filter(show) });
  return part;
}

/** Rejects as soon as one of the parts has ended, with its last lines. */
async function firstEnd(parts) {
  const part = await Promise.race(parts.map((each) => each.child.done.then(() => each)));
  if (ending.requested) return new Promise(() => {}); // stopped on purpose, and this process ends in a moment
  if (!part.ready) for (const line of (part.held.length > 0 ? part.held : part.child.lines).slice(-30)) console.error(line);
  const { code, signal } = await part.child.done;
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  throw new Stop(
    `${part.what[0].toUpperCase()}${part.what.slice(1)} ${how}, so everything was stopped; its last lines above say more.`,
  );
}

async function untilCognito(part, here) {
  await untilAnswer(part, `${here.issuer}/.well-known/openid-configuration`, (status) => status === 200);
  part.ready = true;
}

/** Waits for a healthy gateway. An unhealthy one is told once, and waited for: wrangler loads a corrected file by itself. */
async function untilGateway(part, here) {
  const url = `${here.gateway}/healthz`;
  const { status, body } = await untilAnswer(part, url, (code) => code === 200 || code === 500);
  await sleep(LOG_DELAY_MS);
  if (status === 500) {
    const isConfig = body.includes('config_invalid');
    const problem = isConfig ? 'its configuration has problems (config_invalid), so it serves nothing' : '/healthz answers 500';
    console.error(`\nThe gateway runs, but ${problem}. Its log:\n`);
    for (const line of part.held) console.error(`  ${line}`);
    console.error(
      `\nCorrect ${isConfig ? 'wrangler.toml or .dev.vars' : 'the code'} and save: it is loaded at once. Ctrl-C stops.\n`,
    );
    while ((await probe(url)).status !== 200) await sleep(1_000);
  }
  part.ready = true;
}

async function untilAnswer(part, url, isGood) {
  const deadline = Date.now() + START_LIMIT_MS;
  for (;;) {
    const answer = await probe(url);
    if (isGood(answer.status)) return answer;
    if (Date.now() > deadline) {
      for (const line of part.child.lines.slice(-30)) console.error(line);
      const got = answer.status === undefined ? 'no answer' : `HTTP ${answer.status}`;
      throw new Stop(
        `${url} gave ${got} for ${START_LIMIT_MS / 1000} s, so everything was stopped; the lines above are its output.`,
      );
    }
    await sleep(PROBE_EVERY_MS);
  }
}

function welcome(here, since) {
  const certificate = here.gateway.startsWith('https:') ? '   (the browser warns of the self-signed certificate: go on)' : '';
  return `
  Edgegate is running (started in ${elapsed(since)}).

    Open      ${here.gateway}/${certificate}
    Sign in   alice@example.com (group admin) or bob@example.com, both with password Passw0rd!
    Cognito   ${here.cognito}/_control   the local Cognito: users, tokens, failures to try
    Stop      Ctrl-C
`;
}

await main(() => startAll(process.argv.slice(2)));
