import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needsOf, nextNeed, sessionsOf, Told, tooltipOf } from '../src/attention/needs';
import type { AgentSession, Status } from '../src/status/model';
import { sessionIn } from '../src/status/names';

const trans = {
  __: (text: string, ...args: string[]) => args.reduce((s, a, i) => s.replace(`%${i + 1}`, a), text)
};

function session(id: string, state: string, revision = 0, more = {}): AgentSession {
  return { id, terminal: id, state, revision, settled: true, ...more };
}

function status(...attention: AgentSession[]): Status {
  return { attention };
}

test('what works or is idle needs nobody', () => {
  const all = status(session('a', 'permission'), session('b', 'working'), session('c', 'idle'));
  assert.deepEqual(
    needsOf(all).map(({ id }) => id),
    ['a']
  );
  assert.deepEqual(needsOf({}), []);
  assert.equal(sessionIn(all, 'b')?.state, 'working');
});

test('what runs are the agents in their order, and then the terminals without one', () => {
  const background = session('bg', 'working', 0, { terminal: null });
  const known = { ...status(session('2', 'idle'), background, session('9', 'done')) };
  const terminals = [{ name: '1', foreground: 'vim' }];
  assert.deepEqual(
    sessionsOf({ ...known, terminals }, ['1', '2']).map(({ id, program }) => [id, program]),
    [
      ['2', undefined],
      ['bg', undefined],
      ['1', 'vim']
    ]
  );
});

test('terminals are in the order of their numbers', () => {
  assert.deepEqual(
    sessionsOf(status(), ['10', '2', '1']).map(({ id }) => id),
    ['1', '2', '10']
  );
});

test('the next need is the one after that in front, and the first after the last', () => {
  const needs = [session('a', 'permission'), session('b', 'done')];
  assert.equal(nextNeed(needs, undefined)?.id, 'a');
  assert.equal(nextNeed(needs, 'a')?.id, 'b');
  assert.equal(nextNeed(needs, 'b')?.id, 'a');
  assert.equal(nextNeed([], 'b'), undefined);
});

test('each need is told once, none of those that a page finds, and none that has not settled', () => {
  const told = new Told();
  assert.deepEqual(told.news(status(session('a', 'done', 3))), []);
  assert.deepEqual(told.news(status(session('a', 'done', 3))), []);
  const unsettled = session('a', 'done', 4, { settled: false });
  assert.deepEqual(told.news(status(unsettled)), []);
  assert.equal(told.news(status(session('a', 'done', 4))).length, 1);
  assert.deepEqual(told.news(status(session('a', 'done', 4))), []);
  assert.deepEqual(told.news(status()), []);
  assert.deepEqual(told.news(status(session('a', 'done', 4))), []);
  // another server starts to count again, for sessions of its own
  assert.equal(told.news(status(session('b', 'permission', 1))).length, 1);
});

test('a tooltip has the name, what is done since when, and the folder', () => {
  const since = '2026-11-30T10:00:00+00:00';
  const more = { agent: 'codex', folder: '/p/hello', since, text: 'rm -rf build' };
  const status: Status = {
    agents: [{ name: 'codex', title: 'Codex', command: 'codex' }],
    terminals: [{ name: '1' }, { name: '2', foreground: 'make', folder: '/p' }],
    attention: [session('1', 'permission', 1, more)]
  };
  const now = Date.parse(since) + 125_000;
  assert.equal(
    tooltipOf(status, '1', now, trans as never),
    'hello · Codex\nasks for permission · 2 min: rm -rf build\n/p/hello'
  );
  assert.equal(tooltipOf(status, '2', now, trans as never), 'make (2)\n/p');
});
