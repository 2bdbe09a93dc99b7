// Measures the cases: all contestants prove first that they answer rightly, then they take turns, round by round.
import { createHash } from 'node:crypto';
import { idToken, person } from './cognito.mjs';
import { CONNECTIONS, ask, hammer, openConnections } from './load.mjs';
import { bearerRequest, honoCookie, pageLoad } from './requests.mjs';
import { signInOnce } from './sign-in.mjs';
import { Stop } from '../dev/plain.mjs';
import { cpuBetween, cpuOf } from './workerd.mjs';

/** Who asks in every case. */
const PERSON = 1;

/** Prepares a case: for each contestant its process, its request and the length of the right answer, which it has given. */
export async function prepare(each, fleet, pool) {
  return Promise.all(each.contestants.map(async (contestant) => {
    const process = fleet[`${contestant} ${each.mode}`];
    const one = { contestant, process, case: each, what: `${contestant} (${each.name})` };
    return each.kind === 'site' ? prepareSite(one, pool) : prepareBearer(one, pool);
  }));
}

async function prepareSite(one) {
  const { process: { port }, case: { path, length, answer } } = one;
  const wanted = await ask(port, pageLoad(path, await sessionCookie(one)));
  check(one, wanted.status === 200 && wanted.length === length, `answered ${wanted.status} with ${wanted.length} bytes`);
  check(one, wanted.head.toLowerCase().includes(`\r\netag: "${answer}-${length}"`), 'lost the ETag');
  if (one.contestant !== 'bare') {
    const cacheControl = /^cache-control: (.*)$/im.exec(wanted.head)?.[1].trim();
    check(one, /\bprivate\b/.test(cacheControl) && !/\bpublic\b/.test(cacheControl), `left Cache-Control at ${cacheControl}`);
    const stranger = await ask(port, pageLoad(path));
    check(one, stranger.status === 302, `answered a stranger with ${stranger.status}`);
  }
  const bytes = pageLoad(path, await sessionCookie(one));
  return { ...one, length, digest: digest(wanted.body), bytesOf: () => bytes };
}

/** Of one contestant and mode always the same session. */
async function sessionCookie({ contestant, process }) {
  process.cookie ??= await SESSION_COOKIES[contestant](process);
  return process.cookie;
}

/** Nobody looks at the bare one's; it is as long as Edgegate's. */
const SESSION_COOKIES = {
  bare: () => `__Host-session=${'x'.repeat(64)}`,
  edgegate: ({ port }) => signInOnce(port, PERSON),
  hono: () => honoCookie(PERSON),
};

async function prepareBearer(one, pool) {
  const { port } = one.process;
  const { sub, email, name } = person(PERSON);
  const right = await ask(port, bearerRequest(idToken(pool, PERSON)));
  check(one, right.status === 200, `answered ${right.status}: ${right.body}`);
  const told = JSON.parse(right.body);
  check(one, told.sub === sub && told.email === email && told.name === name, `answered ${right.body}`);
  for (const [what, token] of Object.entries(wrongTokens(pool))) {
    const refused = await ask(port, bearerRequest(token));
    check(one, refused.status === 401, `answered ${refused.status} to a token ${what}`);
  }
  const same = bearerRequest(idToken(pool, PERSON));
  return { ...one, length: right.length, bytesOf: () => same };
}

function wrongTokens(pool) {
  const [head, claims, signature] = idToken(pool, PERSON).split('.');
  return {
    'with another signature': `${head}.${claims}.${signature.slice(0, -8)}AAAAAAAA`,
    'for another client': idToken(pool, PERSON, { aud: 'another' }),
    'of another issuer': idToken(pool, PERSON, { iss: 'https://example.com' }),
    'that has ended': idToken(pool, PERSON, { exp: Math.floor(Date.now() / 1000) - 3600 }),
    'of another use': idToken(pool, PERSON, { token_use: 'refresh' }),
  };
}

function check({ what }, holds, otherwise) {
  if (!holds) throw new Stop(`${what} ${otherwise}: nothing is measured that does not work.`);
}

function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** All of a case must have given the very same page. */
export function checkSamePage(prepared) {
  const [first] = prepared;
  for (const one of prepared) check(one, one.digest === first.digest, `gave another page than ${first.contestant}`);
}

/** Unmeasured requests, so that what V8 compiles while it learns is not counted. */
export async function warmUp(prepared, count, pool) {
  for (const one of prepared) {
    await turn(one, Math.ceil(count / (one.length > 100_000 ? 20 : 1)), pool);
  }
}

/**
 * One contestant's turn: CPU of its process in microseconds a request, and requests a second. The connections are opened
 * and used once before. New tokens are new to this process ever.
 */
export async function turn(one, count, pool) {
  const isNew = one.case.tokens === 'new';
  const fresh = isNew ? Array.from({ length: count + CONNECTIONS }, () => bearerRequest(idToken(pool, PERSON))) : [];
  const bytesOf = isNew ? (index) => fresh[index] : one.bytesOf;
  const connections = openConnections(one.process.port);
  try {
    await hammer(connections, CONNECTIONS, (index) => bytesOf(count + index), one.length, one.what);
    const before = cpuOf(one.process.pid);
    const ms = await hammer(connections, count, bytesOf, one.length, one.what);
    const { ns, lost } = cpuBetween(before, cpuOf(one.process.pid));
    return { cpuUs: ns / 1000 / count, rps: (count * 1000) / ms, lostThreads: lost };
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** The same list, begun at another place in each round. */
export function rotated(list, round) {
  const start = round % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}
