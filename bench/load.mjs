// A lean HTTP/1.1 client: a few connections that stay open, one request at a time on each, every answer looked at.
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { Stop } from '../dev/plain.mjs';

/** More than enough to keep one workerd busy. */
export const CONNECTIONS = 16;

/** What takes longer will not come. */
const ANSWER_LIMIT_MS = 30_000;

/** The bytes of a GET. */
export function requestBytes(path, headers) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
}

/** One open connection. */
export class Connection {
  #socket;
  #pending;
  #reader;
  #broken;

  constructor(port) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection was closed')));
    this.#socket.setTimeout(ANSWER_LIMIT_MS, () => this.#socket.destroy(new Error('no answer came in time')));
  }

  /** Sends the bytes of a request; `{ status, length, head, body }`, the last only with `keep`. */
  send(bytes, keep = false) {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      this.#pending = { resolve, reject };
      this.#reader = new AnswerReader(keep);
      this.#socket.write(bytes);
    });
  }

  close() {
    this.#socket.destroy();
  }

  #read(chunk) {
    try {
      if (!this.#pending) throw new Error('an answer that nobody asked for');
      if (!this.#reader.take(chunk)) return;
      const { resolve } = this.#pending;
      this.#pending = undefined;
      resolve(this.#reader);
    } catch (error) {
      this.#fail(error);
      this.#socket.destroy();
    }
  }

  #fail(error) {
    this.#broken ??= error;
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');

/** Reads one answer with `Content-Length` or in chunks. */
class AnswerReader {
  status;
  head;
  length = 0;
  #rest = Buffer.alloc(0);
  #left;
  #chunked = false;
  #kept;

  constructor(keep) {
    if (keep) this.#kept = [];
  }

  get body() {
    return Buffer.concat(this.#kept);
  }

  /** Whether the answer is whole now. */
  take(chunk) {
    if (this.head !== undefined && !this.#chunked) return this.#count(chunk);
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (this.head === undefined && !this.#takeHead()) return false;
    if (this.#chunked) return this.#takeChunks();
    const rest = this.#rest;
    return this.#count(rest);
  }

  #takeHead() {
    const end = this.#rest.indexOf(HEAD_END);
    if (end === -1) return false;
    this.head = this.#rest.latin1Slice(0, end);
    this.#rest = this.#rest.subarray(end + 4);
    this.status = Number(this.head.slice(9, 12));
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(this.head) ?? [];
    this.#chunked = /\r\ntransfer-encoding: *chunked/i.test(this.head);
    if (length === undefined && !this.#chunked && this.status !== 204 && this.status !== 304) {
      throw new Error('an answer without a length');
    }
    this.#left = Number(length ?? 0);
    return true;
  }

  #count(bytes) {
    this.#keep(bytes);
    this.#left -= bytes.length;
    if (this.#left < 0) throw new Error('more than was announced');
    return this.#left === 0;
  }

  #keep(bytes) {
    this.length += bytes.length;
    this.#kept?.push(bytes);
  }

  /** `#left` is what is still to come of the chunk under way, its line end included. */
  #takeChunks() {
    for (;;) {
      if (this.#left > 2) {
        const part = this.#rest.subarray(0, this.#left - 2);
        this.#keep(part);
        this.#rest = this.#rest.subarray(part.length);
        this.#left -= part.length;
      }
      if (this.#left > 0) {
        if (this.#left > 2 || this.#rest.length < this.#left) return false;
        this.#rest = this.#rest.subarray(this.#left);
        this.#left = 0;
      }
      const end = this.#rest.indexOf(LINE_END);
      if (end === -1) return false;
      const size = Number.parseInt(this.#rest.latin1Slice(0, end), 16);
      if (size === 0) return this.#rest.length >= end + 4;
      this.#rest = this.#rest.subarray(end + 2);
      this.#left = size + 2;
    }
  }
}

/** One request on a connection of its own, its body kept. */
export async function ask(port, bytes) {
  const connection = new Connection(port);
  try {
    return await connection.send(bytes, true);
  } finally {
    connection.close();
  }
}

/**
 * `count` requests, the i-th being `bytesOf(i)`, over CONNECTIONS connections that are open already; milliseconds taken.
 * An answer other than 200 with `length` bytes ends the bench.
 */
export async function hammer(connections, count, bytesOf, length, what) {
  let next = 0;
  const work = async (connection) => {
    while (next < count) {
      const answer = await connection.send(bytesOf(next++));
      if (answer.status !== 200 || answer.length !== length) {
        throw new Stop(`${what} answered ${answer.status} with ${answer.length} bytes instead of 200 with ${length}.`);
      }
    }
  };
  const since = performance.now();
  await Promise.all(connections.map(work));
  return performance.now() - since;
}

/** Open connections to `port`, to be closed by whoever asked. */
export function openConnections(port, number = CONNECTIONS) {
  return Array.from({ length: number }, () => new Connection(port));
}
