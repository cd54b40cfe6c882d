import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ageText,
  byteText,
  chartPoints,
  countText,
  filePlaces,
  fromBase64,
  initials,
  leftText,
  quoted,
  secondsUntil,
  tokenText,
  whenText
} from '../src/text';

test('an age has one unit, and an invalid instant none', () => {
  const now = Date.parse('2030-01-01T02:30:00Z');
  assert.equal(ageText('2030-01-01T02:29:20Z', now), '40 s');
  assert.equal(ageText('2030-01-01T02:00:00Z', now), '30 min');
  assert.equal(ageText('2030-01-01T00:00:00Z', now), '2 h');
  assert.equal(ageText('2031-01-01T00:00:00Z', now), '0 s');
  assert.equal(ageText('never', now), '');
});

test('a countdown ends at 0 and is null for an invalid instant', () => {
  const now = Date.parse('2030-01-01T00:00:00Z');
  assert.equal(secondsUntil('2030-01-01T00:09:59.500+00:00', now), 600);
  assert.equal(secondsUntil('2029-01-01T00:00:00Z', now), 0);
  for (const none of [null, undefined, '', 'soon']) {
    assert.equal(secondsUntil(none, now), null);
  }
});

test('a time that is left is rounded up to minutes, and a long one to hours', () => {
  assert.deepEqual([0, 1, 60, 61, 540, 7200].map(leftText), [
    '1 min',
    '1 min',
    '1 min',
    '2 min',
    '9 min',
    '2 h'
  ]);
});

test('bytes and counts are short', () => {
  assert.deepEqual([0, 999, 1000, 1.5e6, 33.4e6].map(byteText), [
    '0 B',
    '999 B',
    '1.0 KB',
    '1.5 MB',
    '33 MB'
  ]);
  assert.deepEqual([7, 1234, 5.6e6].map(countText), ['7', '1.2k', '5.6M']);
  assert.deepEqual([8192, 128_000, 1e6, 1_048_576].map(tokenText), ['8k', '128k', '1M', '1.05M']);
});

test('a path is quoted only if a shell would split or expand it', () => {
  assert.equal(quoted('/home/me/uploads/a-1.png'), '/home/me/uploads/a-1.png');
  assert.equal(quoted("/a b/it's $HOME.png"), "'/a b/it'\\''s $HOME.png'");
  assert.equal(quoted('/größe'), "'/größe'");
  assert.equal(quoted('~/x'), "'~/x'");
});

test('a control character in a path is escaped', () => {
  assert.equal(quoted("it's\n\x1b[31m\\\x03\x85é"), "$'it\\'s\\x0a\\x1b[31m\\\\\\x03\\xc2\\x85é'");
});

test('invalid base64 and invalid UTF-8 give null', () => {
  assert.equal(fromBase64(Buffer.from('grüß dich').toString('base64')), 'grüß dich');
  assert.equal(fromBase64('*'), null);
  assert.equal(fromBase64(Buffer.from([255, 254]).toString('base64')), null);
});

test('a chart fills its box', () => {
  assert.equal(chartPoints([0, 1, 2], 10, 4), '0.0,4.0 5.0,2.0 10.0,0.0');
  assert.equal(chartPoints([3], 10, 4), '0.0,0.0');
  assert.equal(chartPoints([0, 0], 10, 4), '0.0,4.0 10.0,4.0');
});

test('an icon has two letters, whatever the name', () => {
  assert.equal(initials('Claude Code'), 'CC');
  assert.equal(initials('Codex'), 'Co');
  assert.equal(initials('<b>'), 'b');
  assert.equal(initials('Ω'), '?');
});

test('paths are found with their lines, and addresses of the web are not', () => {
  const found = (text: string): unknown[] =>
    filePlaces(text).map(({ path, line, column, start, end }) => [
      path,
      line,
      column,
      text.slice(start, end)
    ]);
  assert.deepEqual(found('at src/a.py:12:3, b.ts(4,5): no'), [
    ['src/a.py', 12, 3, 'src/a.py:12:3'],
    ['b.ts', 4, 5, 'b.ts(4,5)']
  ]);
  assert.deepEqual(found('  File "/home/x/y.py", line 7, in z'), [
    ['/home/x/y.py', 7, 1, '/home/x/y.py", line 7']
  ]);
  assert.deepEqual(found('wrote ~/p/notes.md. And ../q/r.'), [
    ['~/p/notes.md', 1, 1, '~/p/notes.md'],
    ['../q/r', 1, 1, '../q/r']
  ]);
  assert.deepEqual(found('https://a.example/b/c:80 me@host plain 12:30 words'), [
    ['12', 30, 1, '12:30']
  ]);
});

test('an instant of today is a time, and another one has its day', () => {
  const at = new Date(2030, 0, 1, 9, 5);
  const [today, later] = [new Date(2030, 0, 1, 23), new Date(2030, 0, 2, 1)];
  assert.match(whenText(at, today), /^\D{0,3}0?9:05\D{0,4}$/);
  assert.match(whenText(at, later), /2030, \D{0,3}0?9:05\D{0,4}$/);
});
