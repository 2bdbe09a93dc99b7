// docs/security.md: every requirement is there, and what it names as proof exists. And this check itself can fail.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { javascriptTests, problemsOf, rowsOf, rustTests } from './support/security-table.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOCUMENT = readFileSync(path.join(ROOT, 'docs/security.md'), 'utf8');

/** How many requirements each section has. A new one gets the next number; an old one never goes. */
const COUNTS = { A: 15, R: 6, C: 16, J: 13, T: 16, K: 6, S: 16, F: 7, H: 17, O: 9 };
/** The rest are musts. */
const SHOULDS = new Set([
  'A12', 'A13', 'R05', 'C14', 'J12', 'T10', 'T15', 'T16', 'K06', 'S04', 'S05', 'S12', 'S13', 'S14', 'S15', 'F05', 'F06', 'H15', 'H16', 'O08', 'O09',
]);

test('every requirement has its row, and every proof and place that a row names exists', () => {
  assert.deepEqual(problemsOf(DOCUMENT, { root: ROOT, counts: COUNTS, shoulds: SHOULDS }), []);
  assert.equal(rowsOf(DOCUMENT).length, 121);
});

test('each section has a heading and its rows under it', () => {
  const sections = DOCUMENT.split(/^### /m).slice(1).map((section) => [section.split('\n')[0], new Set(rowsOf(section).map(({ id }) => id[0]))]);
  const tables = sections.filter(([, letters]) => letters.size > 0);
  assert.deepEqual(tables.map(([, letters]) => [...letters].join()), Object.keys(COUNTS));
  for (const [index, [title]] of tables.entries()) assert.ok(title.startsWith(`${index + 1}. `), title);
});

describe('the check finds', () => {
  let root;
  before(() => {
    root = mkdtempSync(path.join(tmpdir(), 'edgegate-table-'));
    mkdirSync(path.join(root, 'src'));
    writeFileSync(path.join(root, 'src/a.rs'), '#[test]\nfn runs() {}\n\n#[test]\n#[ignore]\nfn ignored() {}\n\nfn no_test() {}\n');
    writeFileSync(path.join(root, 'a.test.mjs'), "test('one', () => {});\n// test('commented', () => {});\n");
    writeFileSync(path.join(root, 'skips.test.mjs'), "test('one', { skip: true }, () => {});\n");
    writeFileSync(path.join(root, 'body.test.mjs'), "test('one', (t) => { t.skip(); });\n");
    writeFileSync(path.join(root, 'todo.test.mjs'), "test.todo('one', () => {});\n");
  });
  after(() => rmSync(root, { recursive: true }));

  const row = ({ id = 'A01', level = 'must', where = '[src/a.rs](../src/a.rs)', proof = '`a.test.mjs › one`' } = {}) => (
    `| ${id} | is required | ${level} | ${where} | ${proof} |`);
  const SECOND = row({ id: 'A02', level: 'should', proof: 'Reason: it would do nothing but cost time here.' });
  const problems = (...rows) => problemsOf(rows.join('\n'), { root, counts: { A: 2 }, shoulds: new Set(['A02']) });

  test('nothing wrong with a table that is right', () => {
    assert.deepEqual(problems(row(), SECOND), []);
    assert.deepEqual(problems(row({ proof: '`src/a.rs › runs`<br>`a.test.mjs › one`' }), SECOND), []);
  });

  for (const [what, { rows, problem }] of Object.entries({
    'a missing id': { rows: [row()], problem: 'A02 is missing' },
    'a repeated id': { rows: [row(), row(), SECOND], problem: 'A01 is there twice' },
    'an id of nothing': { rows: [row(), SECOND, row({ id: 'A03' })], problem: 'A03 is not a requirement' },
    'ids out of order': { rows: [SECOND, row()], problem: 'the ids are not in order' },
    'a must that is called a should': { rows: [row({ level: 'should' }), SECOND], problem: 'A01: level "should"' },
    'a must without proof': { rows: [row({ proof: '' }), SECOND], problem: 'A01: no proof' },
    'a must with a reason in place of a proof': {
      rows: [row({ proof: 'Reason: it would do nothing but cost time here.' }), SECOND], problem: 'A01: no proof',
    },
    'a should without proof or reason': { rows: [row(), SECOND.replace(/Reason: [^|]*/, '')], problem: 'A02: neither proof nor reason' },
    'a reason that is none': { rows: [row(), SECOND.replace(/Reason: [^|]*/, 'Reason: later. ')], problem: 'A02: neither proof nor reason' },
    'something left for later': {
      rows: [row({ proof: '`a.test.mjs › one`<br>`TODO: more`' }), SECOND], problem: 'A01: what is "`TODO: more`"?',
    },
    'a title that no test has': { rows: [row({ proof: '`a.test.mjs › two`' }), SECOND], problem: 'A01: a.test.mjs has no test "two"' },
    'a test in a comment': { rows: [row({ proof: '`a.test.mjs › commented`' }), SECOND], problem: 'A01: a.test.mjs has no test "commented"' },
    'a file of tests that is not there': { rows: [row({ proof: '`b.test.mjs › one`' }), SECOND], problem: 'A01: there is no b.test.mjs' },
    'a test that is skipped': { rows: [row({ proof: '`skips.test.mjs › one`' }), SECOND], problem: 'A01: skips.test.mjs may skip tests' },
    'a test that skips itself': { rows: [row({ proof: '`body.test.mjs › one`' }), SECOND], problem: 'A01: body.test.mjs may skip tests' },
    'a test that is to be written': { rows: [row({ proof: '`todo.test.mjs › one`' }), SECOND], problem: 'A01: todo.test.mjs may skip tests' },
    'a Rust function that is no test': {
      rows: [row({ proof: '`src/a.rs › no_test`' }), SECOND], problem: 'A01: src/a.rs has no test no_test that always runs',
    },
    'a Rust test that is ignored': {
      rows: [row({ proof: '`src/a.rs › ignored`' }), SECOND], problem: 'A01: src/a.rs has no test ignored that always runs',
    },
    'a place that is not there': { rows: [row({ where: '[src/b.rs](../src/b.rs)' }), SECOND], problem: 'A01: there is no src/b.rs' },
    'a link that says one thing and leads to another': {
      rows: [row({ where: '[src/b.rs](../src/a.rs)' }), SECOND], problem: 'A01: the link src/b.rs leads to src/a.rs',
    },
    'no place at all': { rows: [row({ where: 'everywhere' }), SECOND], problem: 'A01: nothing says where it is enforced' },
    'a row that is cut short': { rows: ['| A01 | is required | must |', SECOND], problem: 'A01: the row does not have five cells' },
  })) {
    test(what, () => assert.deepEqual(problems(...rows), [problem]));
  }
});

describe('titles are read', () => {
  test('from JavaScript: quotes of each kind, escapes, templates, groups that hold a test', () => {
    const source = [
      "test('a page\\'s own', () => {});",
      'scenario("double", {}, async () => {});',
      'test(`${what} of ${({ a: 1 }).a} is refused`, () => {});',
      "test(\n  'on the next line', () => {});",
      "describe('full', () => {\n  test('inside', () => {});\n});",
      "describe('empty', () => {\n});",
      "test(name, () => {});",
      "contest('no test', () => {});",
    ].join('\n');
    assert.deepEqual(javascriptTests(source), ["a page's own", 'double', '… of … is refused', 'on the next line', 'full', 'inside']);
  });

  test('from Rust: with other attributes, in macros, and not those that may not run', () => {
    const source = [
      '#[test]', 'fn plain() {}', '', '    #[test]', '    #[should_panic]', '    fn in_a_module() {}', '',
      'proptest! {', '    /// Says why.', '    #[test]', '    fn for_any(value in any::<u8>()) {}', '}', '',
      '#[ignore = "slow"]', '#[test]', 'fn slow() {}', '', '#[cfg(unix)]', '#[test]', 'fn somewhere() {}', '', '// #[test]', 'fn commented() {}', '',
    ].join('\n');
    assert.deepEqual(rustTests(source), ['plain', 'in_a_module', 'for_any']);
  });
});
