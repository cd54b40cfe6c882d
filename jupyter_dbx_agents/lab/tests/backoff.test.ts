import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../src/server/backoff';

test('a pause doubles up to the longest one, less up to half of it, and starts again', t => {
  const backoff = new Backoff(500, 15_000);
  for (const [random, factor] of [
    [0, 0.5],
    [1, 1]
  ] as const) {
    t.mock.method(Math, 'random', () => random);
    const pauses = Array.from({ length: 7 }, () => backoff.next() / factor);
    assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
    backoff.reset();
  }
});

test('a pause is the longest one after any number of attempts', t => {
  t.mock.method(Math, 'random', () => 1);
  const backoff = new Backoff(500, 15_000);
  for (let attempt = 0; attempt < 2000; attempt++) {
    backoff.next();
  }
  assert.equal(backoff.next(), 15_000);
});
