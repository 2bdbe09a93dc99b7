// Memory: the RAM of Edgegate's workerd while many people come back again and again. It is flat when the last third of
// the samples lies no higher than the middle third, by a stated margin; the first third still warms up.
import { CONNECTIONS, hammer, openConnections } from './load.mjs';
import { pageLoad } from './requests.mjs';
import { signIn } from './sign-in.mjs';
import { median } from './statistics.mjs';
import { rssOf } from './workerd.mjs';

const SAMPLES = 21;

/** What the last third's median may be at most, beside the middle third's. */
export const FLAT = 1.1;

export async function measureMemory({ pid, port }, { sessions, memoryRequests }) {
  const started = rssOf(pid);
  const cookies = await signInAll(port, sessions);
  const signedIn = rssOf(pid);
  const requests = cookies.map((cookie) => pageLoad('/public/1000', cookie));
  const perSample = Math.ceil(memoryRequests / SAMPLES);
  const samples = [];
  const connections = openConnections(port);
  try {
    for (let sample = 0; sample < SAMPLES; sample++) {
      // A stride that meets every session, but not in the order in which they were made.
      const who = (index) => requests[((sample * perSample + index) * 7919) % requests.length];
      await hammer(connections, perSample, who, 1000, 'edgegate (memory)');
      samples.push(rssOf(pid));
    }
  } finally {
    for (const connection of connections) connection.close();
  }
  const third = SAMPLES / 3;
  const thirds = [0, 1, 2].map((index) => median(samples.slice(index * third, (index + 1) * third)));
  return { sessions, requests: perSample * SAMPLES, started, signedIn, samples, thirds, growth: thirds[2] / thirds[1] };
}

/** Person by person, a few at a time. */
async function signInAll(port, count) {
  const connections = openConnections(port, CONNECTIONS / 2);
  const cookies = new Array(count);
  let next = 0;
  const work = async (connection) => {
    while (next < count) {
      const n = next++;
      cookies[n] = await signIn(connection, n + 2);
    }
  };
  try {
    await Promise.all(connections.map(work));
  } finally {
    for (const connection of connections) connection.close();
  }
  return cookies;
}
