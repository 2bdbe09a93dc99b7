// Entry script: the built Worker in a world that tests can change while it runs (`Gateway.setWorld`). What is not changed is real.
//
//   clockSecs    how far the clock is ahead
//   kv           the message that an operation fails with, by its name (`put`) or its step (`put session`, see below)
//   kvTimes      how many operations fail before the fault is over; absent: all
//   kvDone       true: the operations that fail are carried out all the same
//   kvHangs      the operations that never come back, by name or step
//   hold         {step, done}: such an operation waits until this is changed, before or (`done`) after it is carried out
//   kvDelayMs    how long a put takes
//   kvLagSecs    what has been read of a key, a miss included, goes on being read for so long
//   kvOwnLag     true: that is also so for keys which have been written here since
//   kvFrozen     true: reads see the store as it was when this was set
//   guard        'fail' or 'hang': what asking strict mode's guard comes to
//   unreachable  requests to URLs that begin so find nobody
//   signatures   'fail': the platform's cryptography throws
//   cache        'hang': the location's cache never answers
//
// A step is an operation and the kinds of its keys, `get session+ended+ended`, `put ended`, `delete session`, or a question to the
// guard: `guard look`.

import Gate from '../../build/index.js';

export { SessionGuard } from '../../build/index.js';

const { fetch: realFetch, Date: RealDate, caches: { default: realCache } } = globalThis;
const realVerify = crypto.subtle.verify.bind(crypto.subtle);
const steps = [];
const held = [];
/** The paths of the Worker's own requests that it has aborted. */
const givenUp = [];
/** What this location has read: key → {value, until}. */
const read = new Map();
let frozen;
let world = {};

globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length > 0 ? given : [RealDate.now() + 1000 * (world.clockSecs ?? 0)]));
  }

  static now() {
    return new this().getTime();
  }
};

globalThis.fetch = (address, init) => {
  const url = String(address.url ?? address);
  init?.signal?.addEventListener('abort', () => givenUp.push(new URL(url).pathname));
  const unreachable = world.unreachable && url.startsWith(world.unreachable);
  return unreachable ? Promise.reject(new Error('Network connection lost.')) : realFetch(address, init);
};

crypto.subtle.verify = (...given) => (world.signatures === 'fail' ? Promise.reject(new Error('no cryptography')) : realVerify(...given));

const cacheOperation = (name) => (...given) => (world.cache === 'hang' ? never() : realCache[name](...given));
globalThis.caches = { default: { match: cacheOperation('match'), put: cacheOperation('put') } };

/** The state of the wasm instance (src/platform/native.js). */
const instance = globalThis.edgegateInstance;
const never = () => new Promise(() => {});
const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const kindOf = (key) => String(key).split('/')[0];
const stepOf = (name, key) => `${name} ${[key].flat().map(kindOf).join('+')}`;

function faultyKv(kv) {
  const operation = (name, carryOut) => async (key, ...given) => {
    const step = stepOf(name, key);
    steps.push(step);
    await holdUp(step);
    const message = world.kv?.[step] ?? world.kv?.[name];
    if (message && world.kvTimes !== 0) {
      if (world.kvTimes) world.kvTimes -= 1;
      if (world.kvDone) await carryOut(key, ...given);
      throw new Error(message);
    }
    if (world.kvHangs?.some((each) => each === name || each === step)) await never();
    if (name === 'put' && world.kvDelayMs) await wait(world.kvDelayMs);
    const result = await carryOut(key, ...given);
    await holdUp(step, true);
    return result;
  };
  const written = (name) => async (key, ...given) => {
    await kv[name](key, ...given);
    if (!world.kvOwnLag) read.delete(key);
  };
  return {
    get: operation('get', (key, ...given) => laggingGet(kv, key, ...given)),
    getWithMetadata: operation('getWithMetadata', (...given) => kv.getWithMetadata(...given)),
    put: operation('put', written('put')),
    delete: operation('delete', written('delete')),
    list: operation('list', (...given) => kv.list(...given)),
  };
}

/** The gateway knows bindings by the names of their classes. */
class DurableObjectNamespace {}

function faultyGuard(guards) {
  const getByName = (name) => ({
    async fetch(request) {
      const { question } = await request.clone().json();
      const step = `guard ${question.ask}`;
      steps.push(step);
      await holdUp(step);
      if (world.guard === 'fail') throw new Error('Network connection lost.');
      if (world.guard === 'hang') await never();
      const response = await guards.getByName(name).fetch(request);
      await holdUp(step, true);
      return response;
    },
  });
  return Object.assign(new DurableObjectNamespace(), { getByName });
}

/** Another request changes the world: its promises are not ours to wait for, so this looks now and then. */
async function holdUp(step, done = false) {
  const isHeld = () => world.hold?.step === step && (world.hold.done ?? false) === done;
  if (!isHeld()) return;
  const { number } = instance;
  held.push(step);
  while (isHeld()) await wait(10);
  held.splice(held.indexOf(step), 1);
  if (instance.number !== number) await never(); // nobody is there any more
}

async function laggingGet(kv, key, ...given) {
  if (frozen) return Array.isArray(key) ? new Map(key.map((each) => [each, frozen.get(each) ?? null])) : frozen.get(key) ?? null;
  if (!world.kvLagSecs) return kv.get(key, ...given);
  const keys = [key].flat();
  const unknown = keys.filter((each) => !(read.get(each)?.until > Date.now()));
  const values = unknown.length > 0 ? await kv.get(unknown, ...given) : new Map();
  for (const [each, value] of values) read.set(each, { value, until: Date.now() + 1000 * world.kvLagSecs });
  return Array.isArray(key) ? new Map(keys.map((each) => [each, read.get(each).value])) : read.get(key).value;
}

async function contentOf(kv) {
  const { keys } = await kv.list();
  return new Map(await Promise.all(keys.map(async ({ name }) => [name, await kv.get(name)])));
}

async function changeWorld(changed, { SESSIONS }) {
  if (!changed.kvLagSecs) read.clear();
  frozen = changed.kvFrozen ? frozen ?? await contentOf(SESSIONS) : undefined;
  world = changed;
}

/** The wasm instance is replaced, as after a panic: requests under way end, and nothing is remembered. */
async function crash(env, context) {
  const { number } = instance;
  instance.ended = true;
  await Gate.fetch(new Request('http://localhost/healthz'), env, context);
  if (instance.number === number) throw new Error('the instance was not replaced');
}

export default {
  async fetch(request, env, context) {
    switch (new URL(request.url).pathname) {
      case '/__world':
        if (request.method === 'POST') await changeWorld(await request.json(), env);
        return Response.json(steps.splice(0));
      case '/__held':
        return Response.json(held);
      case '/__given-up':
        return Response.json(givenUp);
      case '/__crash':
        await crash(env, context);
        return new Response();
      default:
        return Gate.fetch(request, faulty(env), context);
    }
  },
};

function faulty(env) {
  const { SESSIONS: kv, SESSION_GUARD: guard } = env;
  return { ...env, ...(kv && { SESSIONS: faultyKv(kv) }), ...(guard && { SESSION_GUARD: faultyGuard(guard) }) };
}
