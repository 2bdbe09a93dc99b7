// The site behind every contestant: bodies from memory, with an ETag. `/private/1000` is already private, `/public/1000`
// says that everybody may keep it; the number is the length.
import { randomBytes } from 'node:crypto';

export const SIZES = { '1 kB': 1_000, '50 kB': 50_000, '1 MB': 1_000_000 };

const CACHE_CONTROL = { private: 'private, no-cache', public: 'public, max-age=60' };

const bodies = new Map(Object.values(SIZES).map((size) => [size, randomBytes(size)]));

/** Answers what is the site's; whether it was. */
export function answerOrigin(request, response) {
  const [, kind, size] = /^\/(private|public)\/(\d+)$/.exec(request.url) ?? [];
  const body = bodies.get(Number(size));
  if (body === undefined) return false;
  response.writeHead(200, {
    'cache-control': CACHE_CONTROL[kind],
    'content-length': body.length,
    'content-type': 'text/html; charset=utf-8',
    etag: `"${kind}-${size}"`,
    'last-modified': 'Mon, 02 Nov 2026 10:00:00 GMT',
    vary: 'accept-encoding',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
  return true;
}
