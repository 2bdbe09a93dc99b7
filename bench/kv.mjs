// Workers KV as workerd asks for it over HTTP: one value a path, several by `POST /bulk/get`, kept in memory.
const values = new Map();

/** Answers one request of a `kvNamespace` binding. */
export function answerKv(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://kv');
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (request.method === 'POST' && pathname === '/bulk/get') return bulkGet(JSON.parse(body), response);
    const key = decodeURIComponent(pathname.slice(1));
    if (request.method === 'GET') return get(key, response);
    if (request.method === 'PUT') {
      const expires = Number(searchParams.get('expiration') ?? 0) || nowSecs() + Number(searchParams.get('expiration_ttl') ?? Infinity);
      values.set(key, { body, expires });
    } else if (request.method === 'DELETE') {
      values.delete(key);
    } else {
      response.writeHead(405);
    }
    response.end();
  });
}

function living(key) {
  const value = values.get(key);
  return value !== undefined && value.expires > nowSecs() ? value.body : undefined;
}

function get(key, response) {
  const body = living(key);
  if (body === undefined) return response.writeHead(404).end();
  response.writeHead(200, { 'content-length': body.length }).end(body);
}

/** Absent ones are named too, as null. */
function bulkGet({ keys }, response) {
  const found = Object.fromEntries(keys.map((key) => [key, living(key)?.toString() ?? null]));
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found));
}

function nowSecs() {
  return Date.now() / 1000;
}
