// Ports for programs that a test starts. Between choosing a port and listening on it another process may take it: then the program is
// started again on others.

import { once } from 'node:events';
import net from 'node:net';

/** How often other ports are tried. On a busy machine one attempt in some hundred fails. */
const ATTEMPTS = 4;

/** What `npm start`, Node and workerd say of a port that somebody else has. */
const LOST = /is taken by another program|EADDRINUSE|address already in use/i;

/** The program did not get its ports. */
export class PortLost extends Error {}

export function isPortLost(output) {
  return LOST.test(output);
}

/** Ports of the loopback address that nothing listens on. */
export async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => { server.close(resolve); })));
  return ports;
}

/** What `use` makes of some free ports; of others, where it rejects with `PortLost`. */
export async function onFreePorts(count, use) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await use(await freePorts(count));
    } catch (error) {
      if (!(error instanceof PortLost) || attempt === ATTEMPTS) throw error;
    }
  }
}
