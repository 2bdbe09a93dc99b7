// A request as bytes, for what an HTTP client would tidy or refuse to send: request targets, header names, doubled headers.

import { connect } from 'node:net';

const TIMEOUT_MS = 15_000;

/**
 * Sends lines to the gateway on a connection of their own and gives what came back: {status, header(name), body, answers}, where
 * `answers` counts the answers. `lines` are the request line and the headers, `Host` and the end of the connection included.
 */
export function sendRaw(gateway, lines, body = '') {
  const { hostname, port } = gateway.address;
  return new Promise((resolve, reject) => {
    const chunks = [];
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`));
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no answer to ${lines[0]}`)));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(parse(Buffer.concat(chunks).toString())));
  });
}

function parse(text) {
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, end < 0 ? undefined : end).split('\r\n');
  const headers = lines.map((line) => line.split(/: ?(.*)/s)).map(([name, value]) => [name.toLowerCase(), value]);
  return {
    status: Number(statusLine.split(' ')[1]),
    header: (name) => headers.filter(([key]) => key === name).map(([, value]) => value).join(', ') || null,
    body: end < 0 ? '' : text.slice(end + 4),
    answers: text.match(/^HTTP\/1\.1 \d/gm)?.length ?? 0,
  };
}

/** A GET of that target with the header lines given. */
export function getRaw(gateway, target, headers = [], { host = new URL(gateway.publicUrl).host, connection = 'close' } = {}) {
  return sendRaw(gateway, [`GET ${target} HTTP/1.1`, `Host: ${host}`, `Connection: ${connection}`, ...headers]);
}
