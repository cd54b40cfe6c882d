import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunningPoll } from '../src/terminals/running_poll';

test('the poll is paused until its last holder releases it', () => {
  const calls: string[] = [];
  const call = (name: string) => () => {
    calls.push(name);
    return Promise.resolve();
  };
  const running = new RunningPoll({ _pollModels: { start: call('start'), stop: call('stop') } });
  const [one, other] = [{}, {}];
  running.release(one);
  assert.equal(calls.length, 0);
  running.hold(one);
  running.hold(other);
  running.release(one);
  assert.ok(!calls.includes('start'));
  running.release(other);
  running.release(other);
  assert.deepEqual(calls, ['stop', 'stop', 'start']);
});

test('a JupyterLab without the poll is left alone', () => {
  for (const manager of [{}, { _pollModels: {} }, { _pollModels: { start: 1, stop: null } }]) {
    const running = new RunningPoll(manager);
    running.hold(manager);
    running.release(manager);
  }
});
