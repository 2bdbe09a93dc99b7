// How the Worker's own requests leave: as they are, to real servers on loopback, and nowhere else.
//
// wrangler's harness hands them to Node's global `fetch`, which would follow redirects, unpack bodies and add headers of its own, so
// that a Worker could do these things wrongly and not be found out. Here workerd alone decides.
// One thing is left of the harness: a connection that fails reaches the Worker as a 500. `unreachable` of faulty-worker.mjs is the real thing.

import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';

const LOOPBACK = new Set(['127.0.0.1', 'localhost']);
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding']);
const WITHOUT_BODY = new Set([101, 204, 205, 304]);

/** What the Worker asked beyond loopback. A test file ends in failure if there is any (`Gateway.close`). */
export const strayRequests = [];
/** The tokens that Cognito gave: {origin, id_token, access_token, …}. */
export const givenTokens = [];

const nodeFetch = globalThis.fetch;
// The harness gives a whole request as second argument; nobody else does.
globalThis.fetch = (address, init) => (typeof init?.url === 'string' ? send(init) : nodeFetch(address, init));

async function send(request) {
  const url = new URL(request.url);
  if (!LOOPBACK.has(url.hostname) || url.protocol !== 'http:') {
    strayRequests.push(`${request.method} ${request.url}`);
    throw new Error('the Worker asked beyond loopback');
  }
  const headers = { ...Object.fromEntries(request.headers), host: url.host };
  return new Promise((resolve, reject) => {
    const { method, body } = request;
    const sent = httpRequest(url, { method, headers, agent: false }, (received) => resolve(asResponse(url, received, method)));
    sent.on('error', reject);
    if (body) pipeline(Readable.fromWeb(body), sent).catch(reject);
    else sent.end();
  });
}

async function asResponse(url, received, method) {
  const headers = new Headers();
  for (let index = 0; index < received.rawHeaders.length; index += 2) {
    const [name, value] = received.rawHeaders.slice(index, index + 2);
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.append(name, value);
  }
  const status = received.statusCode;
  if (method === 'HEAD' || WITHOUT_BODY.has(status)) {
    received.resume();
    return new Response(null, { status, headers });
  }
  const tokens = url.pathname === '/oauth2/token' && status === 200;
  return new Response(tokens ? noteTokens(url, await text(received)) : Readable.toWeb(received), { status, headers });
}

function noteTokens({ origin }, body) {
  try {
    givenTokens.push({ ...JSON.parse(body), origin });
  } catch {
    // One of the faults: no tokens.
  }
  return body;
}
