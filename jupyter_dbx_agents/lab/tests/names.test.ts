import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { AgentSession, Status } from '../src/status/model';
import { agentIn, nameIn, nameOf } from '../src/status/names';

/** What the server's own pages call sessions is tested with these, too. */
interface Case {
  about: string;
  status: Status;
  names: string[];
  sessions?: { session: AgentSession; name: string }[];
}

const trans = {
  __: (text: string, ...args: string[]) => args.reduce((s, a, i) => s.replace(`%${i + 1}`, a), text)
};
const agents = [
  { name: 'codex', title: 'Codex', command: 'codex' },
  { name: 'claude-code', title: 'Claude Code', command: 'claude' }
];
const CASES: Case[] = JSON.parse(readFileSync('tests/session_names.json', 'utf-8'));

function names(status: Status): string[] {
  return (status.terminals ?? []).map(({ name }) => nameIn(status, name, trans as never));
}

for (const { about, status, names: expected, sessions } of CASES) {
  test(about, () => {
    const whole = { agents, ...status };
    assert.deepEqual(names(whole), expected);
    for (const { session, name } of sessions ?? []) {
      assert.equal(nameOf(whole, session, trans as never), name);
    }
  });
}

test('an agent that has not reported anything yet is known by its command', () => {
  assert.equal(agentIn({ agents, terminals: [{ name: '2', foreground: 'codex' }] }, '2'), 'codex');
});

test('a program other than an agent names its terminal by the title that it has set', () => {
  const terminals = [
    { name: '4', foreground: 'vim' },
    { name: '5', foreground: 'login' }
  ];
  const titles = { 4: 'a.py - VIM', 5: 'python' };
  assert.deepEqual(names({ terminals, titles }), ['a.py - VIM', 'Sign in']);
});
