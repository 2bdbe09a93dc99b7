// `GET /user-info` for API clients with `aws-jwt-verify`: the keys are at hand, no request is made.
import { CognitoJwtVerifier } from 'aws-jwt-verify';

let verifier;

function verifierFor(env) {
  const made = CognitoJwtVerifier.create({
    userPoolId: env.COGNITO_USER_POOL_ID, clientId: env.COGNITO_CLIENT_ID, tokenUse: null,
  });
  made.cacheJwks(env.JWKS);
  return made;
}

export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== '/user-info') return new Response(null, { status: 404 });
    const [, token] = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '') ?? [];
    try {
      verifier ??= verifierFor(env);
      const { sub, email = null, name = null } = await verifier.verify(token ?? '');
      return Response.json({ sub, email, name }, { headers: { 'cache-control': 'no-store' } });
    } catch (error) {
      return Response.json({ error: 'token_invalid', message: String(error) }, { status: 401 });
    }
  },
};
