// What is around the Workers, in one process of its own so that it costs the measured ones nothing: the site's origin and
// Cognito behind one address, KV behind another.
import { fork } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import process from 'node:process';
import { isMain } from '../dev/plain.mjs';
import { answerCognito } from './cognito.mjs';
import { answerKv } from './kv.mjs';
import { answerOrigin } from './origin.mjs';

/** Starts the process; `{ webPort, kvPort, stop }`. */
export async function startWorld(pool) {
  const child = fork(import.meta.filename, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send({ privateKey: pool.privateKey.export({ type: 'pkcs8', format: 'pem' }), jwks: pool.jwks });
  const [ports] = await once(child, 'message');
  return { ...ports, stop: () => child.kill() };
}

async function serve(answer) {
  const server = createServer({ keepAlive: true }, answer);
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

async function serveAll({ privateKey, jwks }) {
  const pool = { privateKey: createPrivateKey(privateKey), jwks };
  const web = (request, response) => {
    if (answerOrigin(request, response) || answerCognito(pool, request, response)) return;
    response.writeHead(404).end();
  };
  process.send({ webPort: await serve(web), kvPort: await serve(answerKv) });
}

if (isMain(import.meta.url)) {
  process.on('disconnect', () => process.exit());
  process.on('SIGINT', () => {}); // a Ctrl-C is for the bench, which then lets go of this process
  process.once('message', serveAll);
}
