import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlOf } from '../src/phone/control';

test('Ctrl makes of a single character its control character', () => {
  const made = { c: '\x03', C: '\x03', '[': '\x1b', '@': '\x00', ' ': '\x00', '?': '\x7f' };
  for (const [typed, control] of Object.entries(made)) {
    assert.equal(controlOf(typed), control, typed);
  }
});

test('Ctrl leaves alone what is no key, such as a report of the terminal', () => {
  for (const typed of ['', 'ab', '\r', '\x1b[I', 'é', '🚀', 7, undefined]) {
    assert.equal(controlOf(typed), null, String(typed));
  }
});
