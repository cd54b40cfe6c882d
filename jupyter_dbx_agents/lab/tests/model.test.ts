import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isInstallable,
  isNeeded,
  isOutdated,
  isOverdue,
  isReady,
  isUsable,
  latencies,
  modelProblems,
  nextTryOf,
  type Pat,
  type Project,
  programIn,
  progressOf,
  readable,
  type Status,
  titleOf,
  withPart
} from '../src/status/model';

const pat = (state: string, expires_at: string | null): Pat => ({
  state,
  expires_at,
  message: '',
  hint: '',
  user: '',
  next_rotation_at: null,
  rotations: 0,
  token_page: ''
});

test('a token that has not expired is usable in any state, also one of a newer server', () => {
  assert.ok(isUsable(pat('hibernating', '2030-01-01T00:00:00Z')));
  assert.ok(!isUsable(pat('hibernating', null)));
  assert.ok(!isUsable(undefined));
});

test('a token is needed only where there is a workspace, and not while one is being checked', () => {
  const status = (workspace: string, state: string): Status => ({
    workspace,
    pat: pat(state, null)
  });
  assert.ok(isNeeded(status('https://w', 'needed')));
  assert.ok(isNeeded(status('https://w', 'expired')));
  assert.ok(!isNeeded(status('https://w', 'adopting')));
  assert.ok(!isNeeded(status('', 'needed')));
  assert.ok(!isNeeded({}));
  const signedIn = { ...pat('paused', null), is_signed_in: true };
  assert.ok(!isNeeded({ workspace: 'https://w', pat: signedIn }));
  const soon = '2026-01-01T00:00:00Z';
  assert.ok(isNeeded({ workspace: 'https://w', pat: pat('needed', soon) }));
  assert.ok(!isNeeded({ workspace: 'https://w', pat: pat('retrying', soon) }));
});

test('a token status is outdated when a later revision of the same server is known', () => {
  const at = (revision: number) => ({ ...pat('active', null), revision });
  assert.deepEqual(
    [4, 5, 6].map(revision => isOutdated(at(revision), at(5))),
    [true, false, false]
  );
  assert.ok(!isOutdated(at(0), at(-1)));
  assert.ok(!isOutdated(at(3), undefined));
  assert.ok(!isOutdated(pat('active', null), pat('needed', null)));
});

test('a rotation is overdue some seconds after it was due, and never without a due time', () => {
  const now = Date.parse('2026-01-01T00:00:10Z');
  assert.ok(isOverdue('2026-01-01T00:00:00Z', now));
  assert.ok(!isOverdue('2026-01-01T00:00:08Z', now));
  assert.ok(!isOverdue('2026-01-01T00:00:20Z', now));
  assert.ok(!isOverdue(null, now));
});

test('an event replaces its part, known or not, and nothing else', () => {
  const before: Status = { version: '1', workspace: 'https://w' };
  assert.deepEqual(withPart(before, { part: 'weather', weather: ['sunny'] }), {
    ...before,
    weather: ['sunny']
  });
  assert.equal(withPart(before, { part: 'weather' }), null);
  assert.equal(withPart(before, {}), null);
});

test('a part or an item of another shape is left out', () => {
  const task = { name: 'install-a', state: 'running' };
  const told = { version: '9', weather: ['sunny'], models: {}, startup: [task] };
  const odd = { agents: 'many', projects: { p: 1 }, pat: 'active', gateway: null, memory: 7 };
  assert.deepEqual(readable({ ...told, ...odd, startup: [null, task, 'x', { name: 'y' }] }), told);
  assert.deepEqual(withPart(told as object, { part: 'agents', agents: 'many' }), told);
});

test('an agent is ready unless the server says otherwise', () => {
  const agent = { name: 'a', title: 'A', command: 'a' };
  assert.ok(isReady(agent));
  assert.ok(isReady({ ...agent, enabled: true, installed: true }));
  assert.ok(!isReady({ ...agent, installed: false }));
  assert.ok(!isReady({ ...agent, enabled: false }));
});

test('the latency of the latest calls comes from the change of the means', () => {
  const usage = (calls: number, mean_seconds: number) => [
    { agent: 'a', model: 'm', calls, mean_seconds }
  ];
  assert.deepEqual(latencies([], usage(2, 3)), { 'a m': 3 });
  assert.deepEqual(latencies(usage(2, 3), usage(4, 5)), { 'a m': 7 });
  assert.deepEqual(latencies(usage(2, 3), usage(2, 3)), {});
});

test('problems with the models of side jobs belong to their agent', () => {
  const report = (problem: string) => ({ model: 'm', served: !problem, problem });
  const models = { a: report(''), 'a/small': report('gone'), ab: report('other') };
  assert.deepEqual(modelProblems({ models }, 'a'), ['gone']);
  assert.deepEqual(modelProblems({}, 'a'), []);
});

test('an agent is installable unless it is installed, disabled, or being installed', () => {
  const agent = { name: 'a', title: 'A', command: 'a', installed: false };
  const task = (state: string) => ({
    ...{ name: 'install-a', title: '', message: '', hint: '' },
    state,
    progress: null
  });
  assert.equal(isInstallable(agent, undefined), true);
  assert.equal(isInstallable(agent, task('failed')), true);
  assert.equal(isInstallable(agent, task('pending')), false);
  assert.equal(isInstallable({ ...agent, installed: true }, undefined), false);
  assert.equal(isInstallable({ ...agent, enabled: false }, undefined), false);
});

test('titles and programs come from the status, with fallbacks', () => {
  const agents = [{ name: 'a', title: 'An Agent', command: 'a' }];
  assert.equal(titleOf({ agents }, 'a'), 'An Agent');
  assert.equal(titleOf({}, 'b'), 'b');
  assert.equal(programIn({ terminals: [{ name: '1', foreground: 'vim' }] }, '1'), 'vim');
  assert.equal(programIn({ terminals: [{ name: '1' }] }, '1'), '');
  assert.equal(programIn({}, '1'), '');
});

test('safe and visible are told apart', () => {
  const project = (parts: object) => ({ name: 'p', state: 'syncing', ...parts }) as Project;
  const history = { safe_at: '2026-11-30T10:00:00+00:00', message: '' };
  const at = new Date(history.safe_at);
  assert.deepEqual(progressOf(project({ history })), { safeAt: at, files: null });
  assert.deepEqual(progressOf(project({ history, done: 3, count: 20_000 })), {
    safeAt: at,
    files: [3, 20_000]
  });
  const unsafe = [
    { ...history, message: 'Free some space.' },
    { ...history, safe_at: '' },
    undefined
  ];
  for (const history of unsafe) {
    assert.equal(progressOf(project({ history, count: 0 })).safeAt, null);
  }
});

test('the next try of a project has a time while one is due', () => {
  const at = (next_try_at?: string | null) =>
    nextTryOf({ name: 'p', state: 'retrying', next_try_at });
  assert.deepEqual(at('2026-11-30T14:05:00+00:00'), new Date('2026-11-30T14:05:00Z'));
  for (const none of [null, undefined, 'soon']) {
    assert.equal(at(none), null);
  }
});
