// Reads the tables of docs/security.md and holds them against the files that they name.

import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

const ROW = /^\| (?=[A-Z]\d\d \|)/;
const LINK = /\[([^\]]+)\]\(\.\.\/([^)]+)\)/g;
const REFERENCE = /`([^`]+?) › ([^`]+)`/g;
/** A word or two is no reason. */
const REASON = /(?:^|<br>)Reason: \S.{20,}/;

/** The rows of every table: {id, level, requirement, where, proof}, as text. */
export function rowsOf(markdown) {
  return markdown.split('\n').filter((line) => ROW.test(line)).map((line) => {
    const [id, requirement, level, where, proof, ...more] = line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim());
    return { id, requirement, level, where, proof, whole: proof !== undefined && more.length === 0 };
  });
}

/** Every id of `counts`, e.g. {A: 2} → A01, A02. */
export function idsOf(counts) {
  return Object.entries(counts).flatMap(([letter, count]) => Array.from({ length: count }, (_, index) => letter + String(index + 1).padStart(2, '0')));
}

/** What is wrong with the tables, one sentence each. `counts` and `shoulds` say which ids there must be, and at which level. */
export function problemsOf(markdown, { root, counts, shoulds }) {
  const rows = rowsOf(markdown);
  const found = rows.map(({ id }) => id);
  const wanted = idsOf(counts);
  const problems = [
    ...wanted.filter((id) => !found.includes(id)).map((id) => `${id} is missing`),
    ...found.filter((id) => !wanted.includes(id)).map((id) => `${id} is not a requirement`),
    ...found.filter((id, index) => found.indexOf(id) !== index).map((id) => `${id} is there twice`),
  ];
  if (problems.length === 0 && found.join() !== wanted.join()) problems.push('the ids are not in order');
  for (const row of rows) problems.push(...problemsOfRow(row, root, shoulds.has(row.id)).map((problem) => `${row.id}: ${problem}`));
  return problems;
}

function problemsOfRow({ requirement, level, where, proof, whole }, root, should) {
  if (!whole) return ['the row does not have five cells'];
  const problems = [];
  if (requirement === '') problems.push('no requirement');
  if (level !== (should ? 'should' : 'must')) problems.push(`level "${level}"`);

  const links = [...where.matchAll(LINK)];
  if (links.length === 0) problems.push('nothing says where it is enforced');
  for (const [, text, target] of links) {
    if (text !== target) problems.push(`the link ${text} leads to ${target}`);
    if (!existsSync(path.join(root, target))) problems.push(`there is no ${target}`);
  }

  const references = [...proof.matchAll(REFERENCE)];
  if (references.length === 0 && !(should && REASON.test(proof))) problems.push(should ? 'neither proof nor reason' : 'no proof');
  for (const [, file, title] of references) problems.push(...problemsOfReference(root, file, title));
  // What is neither a reference nor a reason is something that was left for later.
  const rest = proof.replaceAll(REFERENCE, '').split('<br>').map((part) => part.trim());
  for (const part of rest) if (part !== '' && !part.startsWith('Reason: ')) problems.push(`what is "${part}"?`);
  return problems;
}

function problemsOfReference(root, file, title) {
  const full = path.join(root, file);
  if (!existsSync(full) || !statSync(full).isFile()) return [`there is no ${file}`];
  const source = readFileSync(full, 'utf8');
  if (file.endsWith('.rs')) return rustTests(source).includes(title) ? [] : [`${file} has no test ${title} that always runs`];
  if (/\.(skip|todo)\b|\b(skip|todo):/.test(source)) return [`${file} may skip tests`];
  return javascriptTests(source).includes(title) ? [] : [`${file} has no test "${title}"`];
}

/** Test functions of a Rust file, also in `proptest!`; not those with `#[ignore]` or a condition. */
export function rustTests(source) {
  const attributes = /^((?:[ \t]*(?:#\[[^\n]*\]|\/\/[^\n]*)\n)+)[ \t]*(?:async )?fn (\w+)/gm;
  return [...source.matchAll(attributes)].filter(([, above]) => {
    const lines = above.split('\n').map((line) => line.trim());
    return lines.includes('#[test]') && !lines.some((line) => /^#\[(ignore|cfg)\b/.test(line));
  }).map(([, , name]) => name);
}

/** Titles of the tests, and of the groups that hold any, of a JavaScript file; `…` stands for what a template fills in. */
export function javascriptTests(source) {
  const titles = [];
  for (const { 1: indent, 2: kind, index, 0: begin } of source.matchAll(/^([ \t]*)(test|it|scenario|describe)\(\s*(?=['"`])/gm)) {
    const title = literalAt(source, index + begin.length);
    if (title !== undefined && (kind !== 'describe' || holdsTests(source.slice(index), indent))) titles.push(title);
  }
  return titles;
}

/** Whether a group that begins here has a test before its closing line, which has the group's own indentation. */
function holdsTests(source, indent) {
  const end = source.search(new RegExp(`\\n${indent}\\}`));
  return /\n\s*(test|it|scenario)\(/.test(source.slice(0, end === -1 ? undefined : end));
}

/** The string literal that begins at `start`, unescaped. */
function literalAt(source, start) {
  const quote = source[start];
  let text = '';
  for (let at = start + 1; at < source.length; at += 1) {
    if (source[at] === quote) return text;
    if (source[at] === '\\') {
      at += 1;
      text += source[at];
    } else if (quote === '`' && source.startsWith('${', at)) {
      at = endOfExpression(source, at + 2);
      text += '…';
    } else {
      text += source[at];
    }
  }
  return undefined;
}

/** Where the `}` is that ends the expression of a template. */
function endOfExpression(source, start) {
  let depth = 0;
  for (let at = start; at < source.length; at += 1) {
    if (source[at] === '}' && depth === 0) return at;
    if (source[at] === '{') depth += 1;
    if (source[at] === '}') depth -= 1;
  }
  return source.length;
}
