// Entry script before the locations: takes a request to the one that the simulated user is near.

export default {
  async fetch(request, env) {
    const location = env[request.headers.get('x-soak-location')];
    try {
      return await location.fetch(request);
    } catch (error) {
      // The isolate has died under the request. A browser would see Cloudflare's error page.
      return new Response(String(error), { status: 500, headers: { 'x-soak-died': '1' } });
    }
  },
};
