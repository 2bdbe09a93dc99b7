// Entry script of one location: the built Worker over a KV whose reads lag and whose operations fail now and then, in an isolate
// that can die. What goes wrong is noted, for the oracle to fetch.

import Gate from '../../build/index.js';
import { Draws, Faults } from './draws.mjs';

const { fetch: realFetch } = globalThis;
/** The state of the wasm instance (src/platform/native.js). */
const instance = globalThis.edgegateInstance;

/** Set once by the run: name, rates, how long reads may lag. */
let place;
let faults;
/** What this location has read, a miss too, and until when it goes on reading it. */
const copies = new Map();
/** Kept until the run has heard of them. */
const notes = [];

/** The run answers for Cognito and the origin; a connection that broke is marked, since the harness makes an answer of it. */
globalThis.fetch = async (address, init = {}) => {
  const headers = new Headers(init.headers ?? address.headers);
  headers.set('x-soak-location', place.name);
  const response = await realFetch(address, { ...init, headers });
  if (response.headers.get('x-soak-broken')) throw new Error('Network connection lost.');
  return response.headers.get('x-soak-cut') ? cut(response) : response;
};

/** The same answer, but the connection breaks in the middle of its body. */
function cut(response) {
  const half = new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, chunk.length / 2));
      controller.error(new Error('Network connection lost.'));
    },
  });
  return new Response(response.body.pipeThrough(half), response);
}

/** Noted before it happens: the isolate may die under it. */
function note(kind, request, keys, ms = 0) {
  const from = Date.now();
  notes.push({ kind, request, keys, from, until: from + ms, location: place.name });
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** KV as one request sees it. */
function laggingKv(kv, request) {
  /** Draws and notes a fault, and waits if it is one of those that take time. */
  async function fault(operation, keys) {
    const kind = faults[operation].draw();
    const ms = { slow: faults.times.between(...place.slowMs), hang: place.hangMs }[kind] ?? 0;
    if (kind) note(`KV ${operation}: ${kind}`, request, keys, ms);
    if (ms > 0) await pause(ms);
    return kind;
  }

  async function get(keys, options) {
    if (await fault('get', keys) === 'error') throw new Error('KV GET failed: 500 Internal Server Error');
    const now = Date.now();
    const absent = keys.filter((key) => !(copies.get(key)?.until > now));
    const stored = await kv.get(keys, options);
    for (const key of absent) copies.set(key, { value: stored.get(key), until: now + faults.times.between(0, place.lagMs) });
    return new Map(keys.map((key) => {
      const { value } = copies.get(key);
      if (place.wrong === 'forgets' && key.startsWith('session/') && faults.times.chance(0.2)) return [key, null];
      if (value !== stored.get(key)) note('KV get: stale', request, [key]);
      return [key, value];
    }));
  }

  async function put(key, value, options) {
    const kind = await fault('put', [key]);
    if (kind === '429') throw new Error('KV PUT failed: 429 Too Many Requests');
    if (kind === 'error') throw new Error('KV PUT failed: 500 Internal Server Error');
    await kv.put(key, value, options);
    seenHere(key);
    if (kind === 'written, error') throw new Error('KV PUT failed: 500 Internal Server Error');
  }

  async function remove(key) {
    if (await fault('delete', [key]) === 'error') throw new Error('KV DELETE failed: 500 Internal Server Error');
    await kv.delete(key);
    seenHere(key);
  }

  /** Mostly a location sees its own writes at once; nobody promises it. */
  function seenHere(key) {
    if (faults.times.chance(place.seenHere)) copies.delete(key);
  }

  return { get, put, delete: remove };
}

async function control(request, env, context) {
  const { order, ...given } = await request.json();
  if (order === 'begin') {
    place = given;
    const draws = (name) => new Draws(place.seed, `${place.name}, ${name}`);
    const kinds = (name) => new Faults(draws(name), place.kv[name]);
    faults = { get: kinds('get'), put: kinds('put'), delete: kinds('delete'), times: draws('times') };
  }
  if (order === 'die') {
    // The next request comes to a new one: gone is whatever it was doing, and all that it remembered.
    instance.ended = true;
    await Gate.fetch(new Request(`${env.PUBLIC_URL}/healthz`), env, context);
  }
  if (order === 'forget keys') await caches.default.delete(given.url);
  notes.splice(0, given.heard ?? 0);
  return Response.json(notes);
}

/** Faults of the gateway itself, which it does not have: the oracle must see them. */
function isOpen(request) {
  return place.wrong === 'open' && new URL(request.url).pathname.startsWith('/app/');
}

export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname === '/__soak') return control(request, env, context);
    if (isOpen(request)) return fetch(new URL(new URL(request.url).pathname, env.ORIGIN_URL), { headers: request.headers });
    const SESSIONS = laggingKv(env.SESSIONS, request.headers.get('x-soak-request'));
    return Gate.fetch(request, { ...env, SESSIONS }, context);
  },
};
