import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TranslationBundle } from '@jupyterlab/translation';
import { foldersOf, inOrder, labelOf } from '../src/launcher/choices';
import { shortModel } from '../src/text';

const LAB = { __: (text: string) => text } as TranslationBundle;
const KERNEL = { command: 'notebook:create-new', category: 'Notebook', kernelIconUrl: '/k.png' };

test('each folder is offered once: those that are given, then projects, the latest first', () => {
  const projects = [
    { name: 'old', state: 'synced', folder: '/p/old', synced_at: '2026-01-01' },
    { name: 'new', state: 'synced', folder: '/p/new', synced_at: '2026-02-01' },
    { name: 'gone', state: 'gone', folder: '/p/gone', synced_at: '2026-03-01' },
    { name: 'unfit', state: 'unfit', folder: '' }
  ];
  assert.deepEqual(foldersOf({ projects }, '/p', '/p', null), ['/p', '/p/new', '/p/old']);
  assert.deepEqual(foldersOf({}, '/p', '/x', '/p'), ['/x', '/p']);
});

test('a choice leaves the order as it is, so that arrow keys reach each folder', () => {
  const projects = [{ name: 'one', state: 'synced', folder: '/p/one' }];
  const before = foldersOf({ projects }, '/b', '/b', '/p');
  for (const chosen of before) {
    assert.deepEqual(foldersOf({ projects }, chosen, '/b', '/p'), before);
  }
  assert.deepEqual(foldersOf({ projects }, '/new', '/b', '/p'), [...before, '/new']);
});

test('the last row has the order of the launcher that it is taken from', () => {
  const items = [
    { command: 'help', category: 'Other', rank: 9 },
    { command: 'theirs', category: 'Theirs' },
    { command: 'early', category: 'Early', categoryRank: 5 },
    { command: 'unranked', category: 'Other' },
    { command: 'also-unranked', category: 'Other' },
    { command: 'text', category: 'Other', rank: 1 },
    { command: 'console', category: 'Console', rank: 0 },
    KERNEL
  ];
  assert.deepEqual(
    inOrder(items, LAB).map(({ command }) => command),
    [
      'notebook:create-new',
      'early',
      'console',
      'text',
      'help',
      'unranked',
      'also-unranked',
      'theirs'
    ]
  );
});

test('categories keep their places in another language, and stay together at the same one', () => {
  const french = {
    __: (text: string) => (text === 'Other' ? 'Autres' : text)
  } as TranslationBundle;
  const items = [
    { command: 'b1', category: 'B' },
    { command: 'a1', category: 'A', rank: 9 },
    { command: 'b2', category: 'B', rank: 1 },
    { command: 'text', category: 'Autres' },
    { command: 'none' }
  ];
  assert.deepEqual(
    inOrder(items, french).map(({ command }) => command),
    ['text', 'none', 'a1', 'b2', 'b1']
  );
});

test('a kernel is named after what it opens, and by its own name only if there are more', () => {
  const other = { ...KERNEL, args: { kernel: 'r' } };
  assert.equal(labelOf(KERNEL, 'Python 3', [KERNEL]), 'Notebook');
  assert.equal(labelOf(other, 'R', [KERNEL, other]), 'Notebook: R');
  const plain = { command: 'notebook:create-new', category: 'Notebook', metadata: { kernel: {} } };
  assert.equal(labelOf(plain, 'Julia', [plain]), 'Notebook'); // it has no icon
  const text = { command: 'fileeditor:create-new', category: 'Other' };
  assert.equal(labelOf(text, 'Text File', [KERNEL, text]), 'Text File');
});

test("a model's short name leaves out what all names begin with", () => {
  assert.equal(shortModel('databricks-claude-opus-4-7'), 'opus-4-7');
  assert.equal(shortModel('system.ai.databricks-gemini-2-5-pro'), '2-5-pro');
  assert.equal(shortModel('databricks-gpt-5-5'), 'gpt-5-5');
  assert.equal(shortModel('my-endpoint'), 'my-endpoint');
});
