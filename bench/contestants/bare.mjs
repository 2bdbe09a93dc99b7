// The limit: a Worker that passes everything through and checks nobody. In front of an origin it still does what no proxy
// may leave out: read-only methods, no client `Authorization`, redirects left to the browser, nothing kept in a shared cache.
export default {
  async fetch(request, env) {
    if (env.ORIGIN_URL === undefined) return env.ASSETS.fetch(request);
    if (request.method !== 'GET' && request.method !== 'HEAD') return new Response(null, { status: 405 });
    const url = new URL(request.url);
    const headers = new Headers(request.headers);
    headers.delete('authorization');
    headers.set('x-forwarded-host', url.host);
    headers.set('x-forwarded-proto', url.protocol.slice(0, -1));
    return fetch(env.ORIGIN_URL + url.pathname + url.search, {
      method: request.method, headers, redirect: 'manual', cache: 'no-store',
    });
  },
};
