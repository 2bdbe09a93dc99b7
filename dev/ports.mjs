// Finds out, before anything is started, whether a port is free.
import net from 'node:net';
import { Stop } from './plain.mjs';

const LOOPBACK = ['127.0.0.1', '::1'];

/** Whether something listens on this port of the loopback addresses. */
export async function isTaken(port) {
  for (const host of LOOPBACK) {
    const code = await bindError(port, host);
    if (code === 'EADDRINUSE') return true;
    if (code === 'EACCES') {
      throw new Stop(`Port ${port} may not be opened by this user: choose one above 1023.`);
    }
    // Some systems let one program listen on an address while another holds the port for all addresses.
    if (await answers(port, host)) return true;
  }
  return false;
}

/** The error code of listening there, or undefined. A machine without IPv6 gives EADDRNOTAVAIL: not taken. */
function bindError(port, host) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', (error) => resolve(error.code));
    server.listen({ port, host }, () => server.close(() => resolve(undefined)));
  });
}

function answers(port, host) {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host });
    const finish = (result) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(500, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

/** The next free port after this one that none of `except` is. */
async function nextFree(port, except) {
  for (let candidate = port + 1; candidate < 65_536; candidate += 1) {
    if (!except.includes(candidate) && !(await isTaken(candidate))) return candidate;
  }
  return 0;
}

/**
 * Checks `[{ port, option, what }]` and stops with one sentence at the first port that cannot be had: which port,
 * what wants it, and what to type instead.
 */
export async function checkPorts(wanted) {
  for (const [index, { port, option, what }] of wanted.entries()) {
    const twin = wanted.slice(0, index).find((other) => other.port === port);
    if (twin) throw new Stop(`Port ${port} is wanted by both ${twin.what} and ${what}: give another ${option}.`);
    if (await isTaken(port)) {
      const free = await nextFree(
        port,
        wanted.map((other) => other.port),
      );
      throw new Stop(
        `Port ${port}, which ${what} wants, is taken by another program: stop that program, or use another port ` +
          `with \`npm start -- ${option} ${free}\`.`,
      );
    }
  }
}
