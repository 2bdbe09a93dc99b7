// How large the Worker is, as a table.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

/** Raw and gzipped bytes of each file, and their sums: `[{ name, raw, gzip }]`, the total last. */
export function measure(folder, names) {
  const rows = names.map((name) => {
    const bytes = readFileSync(path.join(folder, name));
    return { name: `${path.basename(folder)}/${name}`, raw: bytes.length, gzip: gzipSync(bytes).length };
  });
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  return [...rows, { name: 'total', raw: sum('raw'), gzip: sum('gzip') }];
}

/** The rows as aligned text. */
export function sizeTable(rows) {
  const cells = [['', 'raw', 'gzip'], ...rows.map(({ name, raw, gzip }) => [name, kilobytes(raw), kilobytes(gzip)])];
  const width = (column) => Math.max(...cells.map((row) => row[column].length));
  return cells
    .map(([name, raw, gzip]) => `  ${name.padEnd(width(0))}  ${raw.padStart(width(1))}  ${gzip.padStart(width(2))}`)
    .join('\n');
}

export function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
