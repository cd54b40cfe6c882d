import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentSession, Status } from '../src/status/model';
import { agentIn, nameIn, nameOf } from '../src/status/names';

const trans = {
  __: (text: string, ...args: string[]) => args.reduce((s, a, i) => s.replace(`%${i + 1}`, a), text)
};
const agents = [
  { name: 'codex', title: 'Codex', command: 'codex' },
  { name: 'claude-code', title: 'Claude Code', command: 'claude' }
];

function running(terminal: string, agent: string, folder: string): AgentSession {
  return { id: terminal, terminal, agent, folder, state: 'idle', revision: 0 };
}

function names(status: Status): string[] {
  return (status.terminals ?? []).map(({ name }) => nameIn(status, name, trans as never));
}

test('a terminal is named by project and agent, never by the folder alone', () => {
  const terminals = [{ name: '1' }, { name: '2', foreground: 'codex', folder: '/p/api' }];
  const attention = [running('1', 'claude-code', '/p/hello')];
  const status: Status = { agents, terminals, attention };
  // the second one has not reported anything yet
  assert.deepEqual(names(status), ['hello · Claude Code', 'api · Codex']);
  assert.equal(agentIn(status, '2'), 'codex');
  assert.deepEqual(names({ agents, terminals: [{ name: '1', foreground: 'codex' }] }), ['Codex']);
});

test('equal names are told apart, by what differs', () => {
  const folders = ['/p/a/api', '/p/a/api', '/p/b/api', '/p/b/api', '/p/web'];
  const status: Status = {
    agents,
    terminals: folders.map((_, index) => ({ name: String(index + 1) })),
    attention: folders.map((folder, index) => running(String(index + 1), 'codex', folder))
  };
  assert.deepEqual(names(status), [
    'api · Codex',
    'api (2) · Codex',
    'b/api · Codex',
    'b/api (4) · Codex',
    'web · Codex'
  ]);
});

test('what the owner calls a terminal is its name, also twice', () => {
  const terminals = [
    { name: '1', title: 'mine' },
    { name: '2', title: 'mine' },
    { name: '3', title: '', foreground: 'make' }
  ];
  assert.deepEqual(names({ agents, terminals, attention: [running('1', 'codex', '/p/a')] }), [
    'mine',
    'mine',
    'make (3)'
  ]);
});

test('without an agent a terminal has its number, its program, or the title that this has set', () => {
  const terminals = [
    { name: '1', foreground: 'bash' },
    { name: '2', foreground: '' },
    { name: '3', foreground: 'vim' },
    { name: '4', foreground: 'vim' },
    { name: '5', foreground: 'login' },
    { name: '6', foreground: 'login' }
  ];
  const titles = { 4: 'a.py - VIM', 5: 'python' };
  assert.deepEqual(names({ terminals, titles }), [
    'Terminal 1',
    'Terminal 2',
    'vim (3)',
    'a.py - VIM',
    'Sign in',
    'Sign in (6)'
  ]);
});

test('an agent in the background is named like one in a terminal, and one that is unknown too', () => {
  const session = { ...running('x', 'codex', '/p/hello'), terminal: null };
  assert.equal(nameOf({ agents }, session, trans as never), 'hello · Codex');
  assert.equal(nameIn({}, '7', trans as never), 'Terminal 7');
  const program = { ...session, agent: '', program: 'make' };
  assert.equal(nameOf({ agents }, program, trans as never), 'hello · make');
});
