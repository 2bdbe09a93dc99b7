import Gate from '../../build/index.js';
let controls = {};
const realNow = Date.now;
Date.now = () => realNow() + (controls.clockSecs ?? 0) * 1000;
const realVerify = crypto.subtle.verify.bind(crypto.subtle);
crypto.subtle.verify = (...a) => controls.verify ? Promise.reject(new Error('test: no verify')) : realVerify(...a);
function wrap(kv) {
  const op = (name) => (...args) => { if (controls[name]) return Promise.reject(new Error(controls[name])); return kv[name](...args); };
  return { get: op('get'), put: op('put'), delete: op('delete'), list: op('list'), getWithMetadata: op('getWithMetadata') };
}
export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === '/__control') { controls = await request.json(); return new Response(JSON.stringify(controls)); }
    return new Gate(ctx, { ...env, SESSIONS: wrap(env.SESSIONS) }).fetch(request);
  },
};
