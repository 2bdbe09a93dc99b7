// Chance from a seed. Each place that draws has a stream of its own, so that one more draw here changes nothing there.

/** A stream of numbers that a seed and a name give (mulberry32 over an FNV-1a hash). */
export class Draws {
  #state;

  constructor(seed, name) {
    this.#state = [...`${seed}/${name}`].reduce((hash, letter) => Math.imul(hash ^ letter.codePointAt(0), 0x01000193), 0x811c9dc5);
  }

  /** From 0 to just below 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability) {
    return this.next() < probability;
  }

  between(least, most) {
    return least + this.next() * (most - least);
  }

  pick(list) {
    return list[Math.floor(this.next() * list.length)];
  }

  /** A member of `{name: weight}`. */
  weighted(weights) {
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
    let left = this.next() * total;
    return Object.keys(weights).find((name) => (left -= weights[name]) < 0) ?? Object.keys(weights).at(-1);
  }

  /** Times between events that come by chance, so many milliseconds apart on average and never four times as many. */
  pause(meanMs) {
    return Math.min(-Math.log(1 - this.next()), 4) * meanMs;
  }
}

/** Faults at one place: how often one comes, and which, from a shuffled list of all kinds, and then from the next. */
export class Faults {
  #draws;
  #kinds;
  #share;
  #first;
  #deck;

  /** `first` is how often one comes until every kind has come once. */
  constructor(draws, { share, kinds, first = share }) {
    this.#draws = draws;
    this.#kinds = kinds;
    this.#share = share;
    this.#first = first;
    this.#deck = [...new Set(kinds)];
  }

  /** The kind of this operation's fault; mostly undefined. */
  draw() {
    if (!this.#draws.chance(this.#first)) return undefined;
    if (this.#deck.length === 0) {
      this.#first = this.#share;
      this.#deck = [...this.#kinds];
    }
    return this.#deck.splice(Math.floor(this.#draws.next() * this.#deck.length), 1)[0];
  }
}
