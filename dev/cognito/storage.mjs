// Where the core keeps sessions, codes, grants and tokens: in memory, gone with the process. The two rules of Cognito that
// differ from the core's own are here: what a spent code and a rotated refresh token are still good for.

import { now } from './tokens.mjs';

/** Codes and tokens that belong to one sign-in die together when its refresh token is revoked. */
const GRANTED = ['AuthorizationCode', 'AccessToken', 'RefreshToken'];

export function createStorage(switches) {
  const models = new Map();
  const tableOf = (model) => models.get(model) ?? models.set(model, new Map()).get(model);

  const remove = (matches) => {
    for (const model of GRANTED) {
      const table = tableOf(model);
      for (const [id, record] of table) if (matches(record.payload)) table.delete(id);
    }
  };

  return {
    /** The core asks for one adapter a model. */
    adapter: (model) => new ModelStore(tableOf(model), visibilityOf(model, switches), (grantId) => remove((payload) => payload.grantId === grantId)),
    record: (model, id) => tableOf(model).get(id),
    forget: (model, id) => tableOf(model).delete(id),
    forgetTokensOf: (sub) => remove((payload) => payload.accountId === sub),
  };
}

/** What `find` shows of a record that has been used once already. */
function visibilityOf(model, switches) {
  if (model === 'RefreshToken') {
    return ({ payload, consumedAtMs }) => {
      if (consumedAtMs === undefined) return payload;
      if (Date.now() < consumedAtMs + switches.rotationGrace * 1000) return payload;
      // Shown as consumed, it makes the core revoke the whole grant; hidden, it is one dead token among living ones.
      return switches.familyRevoke ? { ...payload, consumed: Math.floor(consumedAtMs / 1000) } : undefined;
    };
  }
  // Cognito documents no revocation of the tokens when a code comes twice; the core would do it if it saw the code again.
  if (model === 'AuthorizationCode') return ({ payload, consumedAtMs }) => (consumedAtMs === undefined ? payload : undefined);
  return ({ payload }) => payload;
}

class ModelStore {
  #table;
  #visible;
  #revokeGrant;

  constructor(table, visible, revokeGrant) {
    this.#table = table;
    this.#visible = visible;
    this.#revokeGrant = revokeGrant;
  }

  async upsert(id, payload, ttl) {
    this.#table.set(id, { payload, expiresAt: ttl === undefined ? Infinity : now() + ttl });
  }

  async find(id) {
    const record = this.#table.get(id);
    if (!record) return undefined;
    if (record.expiresAt <= now()) {
      this.#table.delete(id);
      return undefined;
    }
    return this.#visible(record);
  }

  async findByUid(uid) {
    for (const { payload } of this.#table.values()) if (payload.uid === uid) return payload;
    return undefined;
  }

  /** The grace of a rotated token runs from its first use, however often it comes back. */
  async consume(id) {
    const record = this.#table.get(id);
    if (record) record.consumedAtMs ??= Date.now();
  }

  async destroy(id) {
    this.#table.delete(id);
  }

  async revokeByGrantId(grantId) {
    this.#revokeGrant(grantId);
  }
}
