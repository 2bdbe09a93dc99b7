// The same gate with @hono/oidc-auth: its session is a signed token in the cookie. The middleware sets `Cache-Control:
// private, no-cache` on every answer; a fetched one is immutable, so the handler must make a new one around its body.
import { oidcAuthMiddleware } from '@hono/oidc-auth';
import { Hono } from 'hono';

const app = new Hono();
app.use('*', oidcAuthMiddleware());
app.get('*', async (c) => {
  const response = await upstream(c.req.raw, c.env);
  return new Response(response.body, response);
});

function upstream(request, env) {
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

export default app;
