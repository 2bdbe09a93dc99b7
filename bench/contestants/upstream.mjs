// How a contestant written in JavaScript asks for the site: the assets as they are; an origin with what no proxy may leave
// out: no client `Authorization`, redirects left to the browser, nothing kept in a shared cache.
export function upstream(request, env) {
  if (env.ORIGIN_URL === undefined) return env.ASSETS.fetch(request);
  const url = new URL(request.url);
  const headers = new Headers(request.headers);
  headers.delete('authorization');
  headers.set('x-forwarded-host', url.host);
  headers.set('x-forwarded-proto', url.protocol.slice(0, -1));
  return fetch(env.ORIGIN_URL + url.pathname + url.search, {
    method: request.method, headers, redirect: 'manual', cache: 'no-store',
  });
}
