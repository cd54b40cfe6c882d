import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Terminal } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { TerminalLink } from '../src/terminals/link';

class FakeSocket {
  readyState = 1;
  handled: string[] = [];
  onmessage = ({ data }: { data: string }): void => {
    this.handled.push(data);
  };
  addEventListener(): void {}
}

const START = '2026-01-01T00:00:00.000000Z';

/** As much of JupyterLab's connection as a link uses. */
class FakeSession {
  sent: string[] = [];
  isDisposed = false;
  connectionStatusChanged = new Signal<this, Terminal.ConnectionStatus>(this);
  messageReceived = new Signal<this, Terminal.IMessage>(this);
  disposed = new Signal<this, void>(this);
  _ws = new FakeSocket();

  send(message: Terminal.IMessage): void {
    this.sent.push([message.type, ...(message.content ?? [])].join(' '));
  }

  reconnect(): Promise<void> {
    this._ws = new FakeSocket();
    this.connectionStatusChanged.emit('connecting');
    return Promise.resolve();
  }

  says(type: string, ...content: string[]): void {
    this.messageReceived.emit({ type: type as Terminal.MessageType, content });
  }
}

function connected(identity: string): { session: FakeSession; link: TerminalLink } {
  Object.assign(globalThis, {
    WebSocket: Object.assign(FakeSocket, { OPEN: 1 }),
    window: globalThis
  });
  const session = new FakeSession();
  const link = new TerminalLink(session as unknown as Terminal.ITerminalConnection);
  session.connectionStatusChanged.emit('connected');
  session.says('identity', identity, START);
  return { session, link };
}

const type = (session: FakeSession, text: string) =>
  session.send({ type: 'stdin', content: [text] });

for (const [answer, isSent] of [
  [['identity', 'one', START], true],
  [['identity', 'other', 'a later start'], false],
  [['identity', 'another, of a server that sends no start'], false],
  [['stdout', 'output of a server that sends no identity'], false]
] as [[string, string, string?], boolean][]) {
  test(`queued input is sent to the same terminal only: ${answer}`, () => {
    const { session, link } = connected('one');
    session.connectionStatusChanged.emit('connecting');
    type(session, 'rm -r build\r');
    assert.equal(link.isLost, true);
    assert.deepEqual(session.sent, []);
    session.connectionStatusChanged.emit('connected');
    session.says(...(answer as [string, string]));
    assert.deepEqual(session.sent, isSent ? ['stdin rm -r build\r'] : []);
    assert.equal(link.isLost, false);
    session.disposed.emit();
  });
}

test('another terminal of the same server with the same name is reported, and is sent nothing', () => {
  const { session, link } = connected('one');
  let replaced = 0;
  link.replaced.connect(() => {
    replaced += 1;
  });
  session.connectionStatusChanged.emit('connecting');
  type(session, 'rm -r build\r');
  session.connectionStatusChanged.emit('connected');
  session.says('identity', 'other', START);
  assert.deepEqual([replaced, link.isLost, link.queuedCharacters], [1, true, 12]);
  assert.deepEqual(session.sent, []);
  session.disposed.emit();
});

test('an end that the server reports is told apart from one that it does not', () => {
  const { session, link } = connected('one');
  const { handled } = session._ws;
  session._ws.onmessage({ data: '["stdout", "[\\"disconnect\\", 1]"]' });
  assert.equal(link.isEndReported, false);
  session._ws.onmessage({ data: '["disconnect", 1]' });
  assert.equal(link.isEndReported, true);
  assert.equal(handled.length, 2);
  session.disposed.emit();
});

test('after a silence a key is queued until there is a sign of life, and others behind it', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { session, link } = connected('one');
  t.mock.timers.tick(11_000);
  type(session, 'a');
  type(session, 'b');
  assert.deepEqual(session.sent, ['identity']);
  session.says('identity', 'one');
  type(session, 'c');
  assert.deepEqual(session.sent.slice(1), ['stdin a', 'stdin b', 'stdin c']);
  assert.equal(link.isLost, false);
});

test('a key without a sign of life is queued for the next connection', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { session, link } = connected('one');
  t.mock.timers.tick(11_000);
  type(session, 'a');
  t.mock.timers.tick(5_000);
  assert.equal(link.isLost, true);
  session.connectionStatusChanged.emit('connected');
  session.says('identity', 'one');
  assert.deepEqual(session.sent, ['identity', 'stdin a']);
});

test('a key that meets a closing socket is queued for the next connection', () => {
  const { session, link } = connected('one');
  session._ws.readyState = 2;
  type(session, 'a');
  assert.equal(link.isLost, true);
  session.connectionStatusChanged.emit('connected');
  session.says('identity', 'one');
  assert.deepEqual(session.sent, ['stdin a']);
  session.disposed.emit();
});

test('a first connection that cannot be made is reported as lost', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  Object.assign(globalThis, { window: globalThis });
  const session = new FakeSession();
  const link = new TerminalLink(session as unknown as Terminal.ITerminalConnection);
  let losses = 0;
  link.lost.connect(() => {
    losses += 1;
  });
  t.mock.timers.tick(5_000);
  assert.deepEqual([losses, link.isLost], [1, true]);
  session.connectionStatusChanged.emit('connected');
  session.says('identity', 'one');
  assert.equal(link.isLost, false);
});
