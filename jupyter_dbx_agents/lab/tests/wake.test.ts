import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onWake } from '../src/server/wake';

test('a page wakes up with the network, and when it was hidden for longer than a glance', t => {
  t.mock.timers.enable({ apis: ['Date'] });
  const [window, document] = [
    new EventTarget(),
    Object.assign(new EventTarget(), { hidden: false })
  ];
  Object.assign(globalThis, { window, document });
  let count = 0;
  const stop = onWake(() => {
    count += 1;
  });
  const hideFor = (milliseconds: number): void => {
    for (const hidden of [true, false]) {
      document.hidden = hidden;
      document.dispatchEvent(new Event('visibilitychange'));
      t.mock.timers.tick(hidden ? milliseconds : 0);
    }
  };
  hideFor(5000);
  assert.equal(count, 0);
  hideFor(60_000);
  assert.equal(count, 1);
  window.dispatchEvent(new Event('online'));
  assert.equal(count, 2);
  stop();
  hideFor(60_000);
  window.dispatchEvent(new Event('online'));
  assert.equal(count, 2);
});
