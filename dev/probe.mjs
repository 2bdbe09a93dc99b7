// Asks a local address whether it answers.
import http from 'node:http';
import https from 'node:https';

const PROBE_LIMIT_MS = 5_000;

/** What a GET gives, `{ status, body }`, with no status if nothing answers. Wrangler's own certificate is self-signed: accepted. */
export function probe(url) {
  const { request } = url.startsWith('https:') ? https : http;
  return new Promise((resolve) => {
    const sent = request(url, { agent: false, rejectUnauthorized: false, timeout: PROBE_LIMIT_MS }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text) => (body += text));
      response.once('close', () => resolve({ status: response.statusCode, body }));
    });
    sent.once('timeout', () => sent.destroy());
    sent.once('error', () => resolve({ body: '' }));
    sent.end();
  });
}
