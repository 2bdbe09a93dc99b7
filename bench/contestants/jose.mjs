// `GET /user-info` for API clients with `jose`: the keys are at hand, no request is made.
import { createLocalJWKSet, jwtVerify } from 'jose';

let keys;

export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== '/user-info') return new Response(null, { status: 404 });
    const [, token] = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '') ?? [];
    keys ??= createLocalJWKSet(env.JWKS);
    const options = { issuer: env.COGNITO_ISSUER, algorithms: ['RS256'], requiredClaims: ['exp', 'sub'] };
    try {
      const { payload } = await jwtVerify(token ?? '', keys, options);
      const audience = { access: payload.client_id, id: payload.aud }[payload.token_use];
      if (audience !== env.COGNITO_CLIENT_ID) throw new Error('not for this client');
      const { sub, email = null, name = null } = payload;
      return Response.json({ sub, email, name }, { headers: { 'cache-control': 'no-store' } });
    } catch {
      return Response.json({ error: 'token_invalid' }, { status: 401 });
    }
  },
};
