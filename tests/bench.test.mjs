// The benchmarks themselves: a tiny pass proves that every contestant still starts and answers rightly, and that the figures
// are what they are called. How large they are is nobody's business here.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { hammer, openConnections, requestBytes } from '../bench/load.mjs';
import { checkTargets } from '../bench/targets.mjs';
import { ROOT, Stop } from '../dev/plain.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'edgegate-bench-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the bench; `{ code, stdout, stderr }`. */
async function bench(...args) {
  const run = promisify(execFile)(process.execPath, ['bench/main.mjs', ...args], { cwd: ROOT });
  return run.then((output) => ({ ...output, code: 0 }), (error) => error);
}

test('a tiny pass measures every contestant and writes ratios within the same round', { skip: process.platform !== 'linux' }, async () => {
  const json = path.join(folder, 'results.json');
  const svg = path.join(folder, 'chart.svg');
  const only = 'embedded-private-1kB,fronted-public-50kB,bearer-seen,bearer-new,size';
  const { code, stdout, stderr } = await bench('--tiny', '--only', only, '--json', json, '--svg', svg);
  assert.equal(code, 0, stdout + stderr);
  const { cases, size, targets, rounds } = JSON.parse(readFileSync(json, 'utf8'));

  assert.deepEqual(cases.map(({ name }) => name), only.split(',').slice(0, -1));
  for (const { name, base, contestants, edgegateAgainst } of cases) {
    const expected = base === 'bare' ? ['bare', 'edgegate', 'hono'] : ['jose', 'edgegate', 'aws-jwt-verify'];
    assert.deepEqual(Object.keys(contestants), expected, name);
    for (const { cpuUs, rps, lostThreads, summary } of Object.values(contestants)) {
      for (const figures of [cpuUs, rps]) assert.ok(figures.length === rounds && figures.every((value) => value > 0), name);
      assert.ok(lostThreads.every((lost) => lost === 0), `${name}: a thread took its CPU time with it`);
      const inRounds = cpuUs.map((value, round) => value / contestants[base].cpuUs[round]);
      assert.equal(summary.cpuRatio.min, Math.min(...inRounds), name);
      assert.equal(summary.cpuRatio.max, Math.max(...inRounds), name);
    }
    assert.equal(contestants[base].summary.cpuRatio.median, 1, name);
    assert.equal(edgegateAgainst[base].cpuRatio.median, contestants.edgegate.summary.cpuRatio.median, name);
    assert.ok(stdout.includes(`${contestants.edgegate.summary.cpuUs.median.toFixed(1)} µs`), name);
  }
  assert.ok(size.at(-1).gzip > 10_000);
  assert.ok(targets.length >= 6);
  for (const { title, met } of targets) assert.ok(stdout.includes(`${met ? 'met    ' : 'NOT MET'}  ${title}`), title);
  const drawn = readFileSync(svg, 'utf8');
  for (const { title } of cases) assert.ok(drawn.includes(title), title);
});

describe('what does not hold is said', () => {
  test('a target is missed by one case alone, and by a hair', () => {
    const one = (name, median) => ({ name, answer: 'private', edgegateAgainst: { bare: { cpuRatio: { median } }, hono: { cpuRatio: { median: 1 } } } });
    const verdicts = (cases) => checkTargets({ cases }).map(({ met }) => met);
    assert.deepEqual(verdicts([one('a', 1.5), one('b', 1.0)]), [true, true]);
    assert.deepEqual(verdicts([one('a', 1.5001), one('b', 1.0)]), [false, true]);
  });

  for (const [what, status, body] of [['another status', 500, 'right'], ['another length', 200, 'wrong!']]) {
    test(`an answer with ${what} ends the bench`, async () => {
      let asked = 0;
      const server = createServer((_request, response) => {
        const odd = ++asked === 5;
        response.writeHead(odd ? status : 200).end(odd ? body : 'right');
      }).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const connections = openConnections(server.address().port, 2);
      const bytes = requestBytes('/', { host: 'example.com' });
      await assert.rejects(hammer(connections, 20, () => bytes, 'right'.length, 'it'), Stop);
      for (const connection of connections) connection.close();
      server.close();
      server.closeAllConnections();
    });
  }

  for (const [args, sentence] of [
    [['--fast'], /^Unknown option '--fast': /],
    [['--rounds', '0'], /^--rounds wants a whole number from 1 to 1000, not "0"\.$/],
    [['--only', 'size,nothing'], /^There is no benchmark "nothing": /],
    [['--json', 'no/such/folder/x.json'], /^There is no folder for no\/such\/folder\/x\.json: /],
    [['--only', 'size', '--svg', 'x.svg'], /^--svg draws requests, /],
  ]) {
    test(`${args.join(' ')} is one sentence`, async () => {
      const { code, stderr } = await bench(...args);
      assert.equal(code, 1);
      assert.match(stderr.trim(), sentence);
      assert.equal(stderr.trim().split('\n').length, 1);
    });
  }
});

test('a connection that the server has closed says so instead of waiting', async () => {
  const server = createTcpServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const [connection] = openConnections(server.address().port, 1);
  await new Promise((resolve) => server.once('connection', (socket) => socket.once('close', resolve)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await assert.rejects(connection.send(requestBytes('/', { host: 'example.com' })), /the connection was closed/);
  server.close();
});

test('chunks are counted wherever the network cuts them', async () => {
  const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\n wo\r\n0\r\n\r\n';
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', async () => {
      for (const letter of text) {
        socket.write(letter);
        await new Promise(setImmediate);
      }
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const [connection] = openConnections(server.address().port, 1);
  for (let request = 0; request < 3; request++) {
    const answer = await connection.send(requestBytes('/', { host: 'example.com' }), true);
    assert.equal(answer.body.toString(), 'hello wo');
  }
  connection.close();
  server.close();
});
