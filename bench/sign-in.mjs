// A real sign-in at Edgegate: the login that starts the flow, and the callback that ends it. The browser's way through
// Cognito's pages is left out, since the code says what Cognito would.
import { codeFor } from './cognito.mjs';
import { Connection } from './load.mjs';
import { pageLoad } from './requests.mjs';

/** The session cookie, as `name=value`, of person `n`. */
export async function signIn(connection, n) {
  const login = await connection.send(pageLoad('/auth/login?return_to=%2Fprivate%2F1000'), true);
  const location = /^location: (.+)$/im.exec(login.head)?.[1].trim();
  if (login.status !== 302 || !location) throw new Error(`the login answered ${login.status}: ${login.body}`);
  const asked = new URL(location).searchParams;
  const query = new URLSearchParams({ code: codeFor(n, asked.get('nonce')), state: asked.get('state') });
  const flow = cookieNamed(/^__Host-login-/, login.head);
  const callback = await connection.send(pageLoad(`/auth/callback?${query}`, flow), true);
  const session = cookieNamed(/^__Host-session=/, callback.head);
  if (callback.status !== 303 || !session) throw new Error(`the callback answered ${callback.status}: ${callback.body}`);
  return session;
}

/** The same once, on a connection of its own. */
export async function signInOnce(port, n) {
  const connection = new Connection(port);
  try {
    return await signIn(connection, n);
  } finally {
    connection.close();
  }
}

function cookieNamed(pattern, head) {
  const cookies = [...head.matchAll(/^set-cookie: ([^;\r]+)/gim)].map(([, cookie]) => cookie);
  return cookies.find((cookie) => pattern.test(cookie));
}
