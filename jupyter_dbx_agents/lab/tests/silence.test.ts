import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Silence } from '../src/server/silence';

const STEP = 50;

/** Return a silence with a clock of its own; `pass` lets milliseconds pass. */
function watched({ mock }: TestContext) {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  Object.assign(globalThis, { window: globalThis });
  const silent: number[] = [];
  const silence = new Silence(() => silent.push(Date.now()));
  const pass = (milliseconds: number): void => {
    for (let passed = 0; passed < milliseconds; passed += STEP) {
      mock.timers.tick(STEP); // a longer step would run each timer at its end
    }
  };
  return { silence, silent, pass };
}

test('a connection without a word for less than five seconds is silent, once', t => {
  const { silence, silent, pass } = watched(t);
  silence.hear(true);
  pass(4000);
  assert.deepEqual(silent, []);
  pass(1000);
  assert.equal(silent.length, 1);
  pass(60_000);
  assert.equal(silent.length, 1);
});

test('any word counts, and a server that sends no beat is never silent', t => {
  const { silence, silent, pass } = watched(t);
  silence.hear(false);
  pass(60_000);
  silence.hear(true);
  for (let i = 0; i < 10; i++) {
    pass(4000);
    silence.hear(false);
  }
  assert.deepEqual(silent, []);
  silence.stop();
  pass(60_000);
  assert.deepEqual(silent, []);
});

test('what has come while the page was frozen is heard before it is called silent', t => {
  const { silence, silent, pass } = watched(t);
  silence.hear(true);
  t.mock.timers.setTime(Date.now() + 60_000);
  pass(250); // the first look since then
  silence.hear(true);
  pass(250);
  assert.deepEqual(silent, []);
});
