// The protocol core: npm's certified oidc-provider does the validation of authorize requests, its sessions, codes, PKCE, client
// authentication, grants, refresh and revocation. It is asked through `ask` and never speaks to a browser or client itself:
// what it answers is dressed as Cognito by the endpoint files.

import { randomUUID } from 'node:crypto';
import { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

import { interactionPolicy, Provider } from 'oidc-provider';

import { enabledAccount } from './accounts.mjs';
import { newRefreshToken, now, refreshTokenId } from './tokens.mjs';

const { base, Check, Prompt } = interactionPolicy;

export function createCore(pool) {
  const provider = new Provider(pool.origin, configuration(pool));
  provider.AuthorizationCode.prototype.generateTokenId = () => randomUUID();
  // The access token that clients see is a JWT whose jti is this; /oauth2/userInfo finds its way back by it.
  provider.AccessToken.prototype.generateTokenId = function jti() {
    this.format = 'opaque';
    return randomUUID();
  };
  provider.RefreshToken.prototype.generateTokenId = function wireForm() {
    this.wire = newRefreshToken();
    return refreshTokenId(this.wire);
  };
  provider.on('server_error', (ctx, error) => console.error('local Cognito, in oidc-provider:', error));

  const answers = new WeakMap();
  provider.use(async (ctx, next) => {
    ctx.respond = false;
    await next();
    answers.set(ctx.req, {
      status: ctx.status,
      location: ctx.response.get('location'),
      body: ctx.body,
      entities: ctx.oidc?.entities ?? {},
    });
  });
  const handle = provider.callback();

  return {
    /** `request`: {method, path, query?, form?, headers?, sessionId?} → {status, location, body, entities} */
    async ask({ method = 'GET', path, query, form, headers = {}, sessionId }) {
      const body = form ? form.toString() : '';
      const req = Object.assign(Readable.from(body ? [Buffer.from(body)] : []), {
        method,
        url: query ? `${path}?${query}` : path,
        socket: { encrypted: false },
        headers: {
          host: new URL(pool.origin).host,
          accept: 'application/json',
          ...(form && { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(Buffer.byteLength(body)) }),
          ...(sessionId && { cookie: `cognito=${sessionId}` }),
          ...headers,
        },
      });
      await handle(req, new ServerResponse(req));
      const answer = answers.get(req);
      if (!answer) throw new Error(`oidc-provider gave no answer to ${method} ${path}`);
      return answer;
    },

    /** A signed-in browser: the value of the `cognito` cookie. */
    async signIn(sub) {
      const session = new provider.Session();
      session.loginAccount({ accountId: sub });
      await session.save(pool.switches.ssoTtl);
      return session.jti;
    },
  };
}

function configuration(pool) {
  const { client, switches, storage } = pool;
  const ssoRemaining = (ctx, session) => Math.max(1, (session.loginTs ?? now()) + switches.ssoTtl - now());
  return {
    adapter: storage.adapter,
    jwks: { keys: [pool.keys.id.privateKey.export({ format: 'jwk' })] },
    clients: [{
      client_id: client.id,
      ...(client.secret ? { client_secret: client.secret } : { token_endpoint_auth_method: 'none' }),
      redirect_uris: client.callbackUrls,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      scope: client.scopes.join(' '),
    }],
    scopes: client.scopes,
    findAccount: (ctx, sub) => enabledAccount(pool.users, sub) && { accountId: sub, claims: () => ({ sub }) },
    loadExistingGrant: (ctx) => grantEverything(pool, ctx),
    issueRefreshToken: () => true, // Cognito has no offline_access; the code grant always brings one
    rotateRefreshToken: () => switches.rotation,
    expiresWithSession: () => false,
    extraParams: ['resource'],
    interactions: { policy: loginPolicy(), url: () => '/login' },
    pkce: { required: () => false },
    clientBasedCORS: () => false,
    renderError: (ctx, out) => { ctx.body = out; },
    cookies: { names: { session: 'cognito' }, long: { signed: false }, short: { signed: false } },
    routes: {
      authorization: '/oauth2/authorize', token: '/oauth2/token', revocation: '/oauth2/revoke', userinfo: '/oauth2/userInfo',
    },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: false },
      revocation: { enabled: true, allowedPolicy: (ctx, asking, token) => token.clientId === asking.clientId },
      rpInitiatedLogout: { enabled: false },
    },
    ttl: {
      AccessToken: () => switches.accessTtl,
      AuthorizationCode: () => switches.codeTtl,
      Grant: () => switches.refreshTtl + switches.codeTtl,
      IdToken: () => switches.accessTtl,
      Interaction: () => 600,
      // A rotated token's successor lives for what remained, not from anew.
      RefreshToken: (ctx) => Math.max(1, ctx.oidc.entities.RotatedRefreshToken?.remainingTTL ?? switches.refreshTtl),
      Session: ssoRemaining,
    },
  };
}

/** Cognito asks no consent. A grant is one sign-in at the app; its side notes are what the core has no place for. */
async function grantEverything(pool, ctx) {
  const { params, account, provider } = ctx.oidc;
  const grant = new provider.Grant({ accountId: account.accountId, clientId: pool.client.id });
  grant.addOIDCScope(params.scope);
  await grant.save();
  pool.signIns.set(grant.jti, { originJti: randomUUID(), resource: params.resource });
  return grant;
}

function loginPolicy() {
  const login = base().get('login');
  const accountGone = ({ oidc }) => Boolean(oidc.session.accountId && !oidc.account);
  login.checks.add(new Check('account_gone', 'the account was disabled or deleted', 'login_required', accountGone));
  return [login, ...['select_account', 'consent'].map((name) => new Prompt({ name, requestable: true }))];
}
