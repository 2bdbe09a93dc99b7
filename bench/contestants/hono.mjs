// The same gate with @hono/oidc-auth: its session is a signed token in the cookie. The middleware sets `Cache-Control:
// private, no-cache` on every answer; a fetched one is immutable, so the handler must make a new one around its body.
import { oidcAuthMiddleware } from '@hono/oidc-auth';
import { Hono } from 'hono';
import { upstream } from './upstream.mjs';

const app = new Hono();
app.use('*', oidcAuthMiddleware());
app.get('*', async (c) => {
  const response = await upstream(c.req.raw, c.env);
  return new Response(response.body, response);
});

export default app;
