// The site's origin in place of CloudFront: a plain server on loopback that notes what it is asked.

import { once } from 'node:events';
import { createServer } from 'node:http';

/** `routes`: path → (request, response), or {status, headers, body}, and anything else is 404; or one (request, response) for every path. */
export async function startOrigin(routes) {
  const requests = [];
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    requests.push({ method, url, headers });
    const known = typeof routes === 'function' ? routes : routes[url.split('?')[0]];
    const route = known ?? { status: 404, body: 'no such page at the origin' };
    if (typeof route === 'function') return route(request, response);
    response.writeHead(route.status ?? 200, route.headers);
    return response.end(method === 'HEAD' ? undefined : route.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    host: `127.0.0.1:${server.address().port}`,
    requests,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
