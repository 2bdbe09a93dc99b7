// Entry script of places.mjs: hands each request to the Worker of its place.

export default {
  fetch(request, env) {
    const headers = new Headers(request.headers);
    const place = headers.get('x-place');
    headers.delete('x-place');
    return env[place].fetch(new Request(request, { headers }));
  },
};
