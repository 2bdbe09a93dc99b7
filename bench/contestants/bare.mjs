// The limit: a Worker that passes everything through and checks nobody. In front of an origin it still takes read-only methods
// alone.
import { upstream } from './upstream.mjs';

export default {
  fetch(request, env) {
    const reads = request.method === 'GET' || request.method === 'HEAD';
    return env.ORIGIN_URL === undefined || reads ? upstream(request, env) : new Response(null, { status: 405 });
  },
};
