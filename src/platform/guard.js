// Strict mode's guard as a Durable Object with an SQL store, one a user. What it answers is the gate's to say.
import { DurableObject } from 'cloudflare:workers';
import { alive } from './alive.js';
import * as gate from './index.js';

export class SessionGuard extends DurableObject {
  /** The runtime gives it one request at a time between two waits, and it waits for nothing between reading a row and writing it. */
  async fetch(request) {
    const inquiry = await request.text();
    const reply = alive(() => gate.guard_reply(inquiry, (session) => this.#row(session)));
    if (reply === undefined) return new Response('the inquiry or its row cannot be read', { status: 500 });
    const [answer, session, expiresAt, row] = reply.split('\n');
    if (session !== undefined) {
      this.#sql.exec(CREATE);
      this.#sql.exec('INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)', session, Number(expiresAt), row);
      await this.#tidyAt(Number(expiresAt));
    }
    return new Response(answer);
  }

  /** Forgets sessions that are over by their own times, and in the end all. */
  async alarm() {
    this.#sql.exec('DELETE FROM sessions WHERE expires_at <= ?', Math.floor(Date.now() / 1000));
    const [{ next }] = this.#sql.exec('SELECT min(expires_at) AS next FROM sessions').toArray();
    if (next === null) await this.ctx.storage.deleteAll();
    else await this.#tidyAt(next);
  }

  get #sql() {
    return this.ctx.storage.sql;
  }

  /** Nothing is made for a question: a guard that keeps nothing leaves nothing behind. */
  #row(session) {
    if (this.#sql.exec(TABLE).toArray().length === 0) return undefined;
    return this.#sql.exec('SELECT row FROM sessions WHERE session = ?', session).toArray()[0]?.row;
  }

  async #tidyAt(secs) {
    const { storage } = this.ctx;
    if ((await storage.getAlarm()) === null) await storage.setAlarm(1000 * secs);
  }
}

const TABLE = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'sessions'";
const CREATE =
  'CREATE TABLE IF NOT EXISTS sessions (session TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, row TEXT NOT NULL) WITHOUT ROWID';
