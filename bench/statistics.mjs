// Middle values and spreads.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `{ median, min, max }`. */
export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** The spread of what `values` are to `base`, pair by pair. */
export function ratioSpread(values, base) {
  return spread(values.map((value, index) => value / base[index]));
}
