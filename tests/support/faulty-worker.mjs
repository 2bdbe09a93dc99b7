// Entry script: the built Worker in a world that tests can change while it runs (`Gateway.setWorld`). What is not changed is real.
//
//   clockSecs    how far the clock is ahead
//   kv           {get, put, delete}: the message that such an operation fails with
//   kvTimes      how many operations fail before the fault is over; absent: all
//   kvHangs      the operations that never come back
//   kvDelayMs    how long a put takes
//   unreachable  requests to URLs that begin so find nobody
//   signatures   'fail': the platform's cryptography throws

import Gate from '../../build/index.js';

const { fetch: realFetch, Date: RealDate } = globalThis;
const realVerify = crypto.subtle.verify.bind(crypto.subtle);
const kvCalls = [];
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
  const unreachable = world.unreachable && String(address.url ?? address).startsWith(world.unreachable);
  return unreachable ? Promise.reject(new Error('Network connection lost.')) : realFetch(address, init);
};

crypto.subtle.verify = (...given) => (world.signatures === 'fail' ? Promise.reject(new Error('no cryptography')) : realVerify(...given));

function faultyKv(kv) {
  const operation = (name) => async (...given) => {
    kvCalls.push(name);
    const message = world.kv?.[name];
    if (message && world.kvTimes !== 0) {
      if (world.kvTimes) world.kvTimes -= 1;
      throw new Error(message);
    }
    if (world.kvHangs?.includes(name)) await new Promise(() => {});
    if (name === 'put' && world.kvDelayMs) await new Promise((resolve) => { setTimeout(resolve, world.kvDelayMs); });
    return kv[name](...given);
  };
  return Object.fromEntries(['get', 'getWithMetadata', 'put', 'delete', 'list'].map((name) => [name, operation(name)]));
}

export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname === '/__world') {
      world = await request.json();
      return Response.json(kvCalls.splice(0));
    }
    return new Gate(context, { ...env, ...(env.SESSIONS && { SESSIONS: faultyKv(env.SESSIONS) }) }).fetch(request);
  },
};
