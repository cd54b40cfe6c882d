import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Terminal } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { Line } from '../src/terminals/link';

class FakeSocket {
  readyState = 1;
  handled: string[] = [];
  onmessage = ({ data }: { data: string }): void => {
    this.handled.push(data);
  };
  addEventListener(): void {}
}

const START = '2026-01-01T00:00:00.000000Z';

/** As much of JupyterLab's connection as a line uses. */
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

function connected(identity: string): { session: FakeSession; line: Line } {
  Object.assign(globalThis, {
    WebSocket: Object.assign(FakeSocket, { OPEN: 1 }),
    window: globalThis
  });
  const session = new FakeSession();
  const line = new Line(session as unknown as Terminal.ITerminalConnection);
  session.connectionStatusChanged.emit('connected');
  session.says('identity', identity, START);
  return { session, line };
}

const type = (session: FakeSession, text: string) =>
  session.send({ type: 'stdin', content: [text] });

for (const [answer, isSent] of [
  [['identity', 'one', START], true],
  [['identity', 'other', 'a later start'], false],
  [['identity', 'one of a server that tells of no start'], false],
  [['stdout', 'a server that does not tell'], false]
] as [[string, string, string?], boolean][]) {
  test(`what waits is sent to the terminal that it was meant for: ${answer}`, () => {
    const { session, line } = connected('one');
    session.connectionStatusChanged.emit('connecting');
    type(session, 'rm -r build\r');
    assert.equal(line.isCut, true);
    assert.deepEqual(session.sent, []);
    session.connectionStatusChanged.emit('connected');
    session.says(...(answer as [string, string]));
    assert.deepEqual(session.sent, isSent ? ['stdin rm -r build\r'] : []);
    assert.equal(line.isCut, false);
    session.disposed.emit();
  });
}

test('another terminal of the same server that got the name is told, and is sent nothing', () => {
  const { session, line } = connected('one');
  let replaced = 0;
  line.replaced.connect(() => {
    replaced += 1;
  });
  session.connectionStatusChanged.emit('connecting');
  type(session, 'rm -r build\r');
  session.connectionStatusChanged.emit('connected');
  session.says('identity', 'other', START);
  assert.deepEqual([replaced, line.isCut, line.waitingCharacters], [1, true, 12]);
  assert.deepEqual(session.sent, []);
  session.disposed.emit();
});

test('an end that the server tells is known from one that it does not', () => {
  const { session, line } = connected('one');
  const { handled } = session._ws;
  session._ws.onmessage({ data: '["stdout", "[\\"disconnect\\", 1]"]' });
  assert.equal(line.wasToldOfEnd, false);
  session._ws.onmessage({ data: '["disconnect", 1]' });
  assert.equal(line.wasToldOfEnd, true);
  assert.equal(handled.length, 2);
  session.disposed.emit();
});

test('after a silence a key waits for a sign of life, and others behind it', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { session, line } = connected('one');
  t.mock.timers.tick(11_000);
  type(session, 'a');
  type(session, 'b');
  assert.deepEqual(session.sent, ['identity']);
  session.says('identity', 'one');
  type(session, 'c');
  assert.deepEqual(session.sent.slice(1), ['stdin a', 'stdin b', 'stdin c']);
  assert.equal(line.isCut, false);
});

test('a key that gets no sign of life waits for the next connection', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { session, line } = connected('one');
  t.mock.timers.tick(11_000);
  type(session, 'a');
  t.mock.timers.tick(5_000);
  assert.equal(line.isCut, true);
  session.connectionStatusChanged.emit('connected');
  session.says('identity', 'one');
  assert.deepEqual(session.sent, ['identity', 'stdin a']);
});

test('a key that meets a socket which is closing waits for the next connection', () => {
  const { session, line } = connected('one');
  session._ws.readyState = 2;
  type(session, 'a');
  assert.equal(line.isCut, true);
  session.connectionStatusChanged.emit('connected');
  session.says('identity', 'one');
  assert.deepEqual(session.sent, ['stdin a']);
  session.disposed.emit();
});

test('a first connection that does not come about is said', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  Object.assign(globalThis, { window: globalThis });
  const session = new FakeSession();
  const line = new Line(session as unknown as Terminal.ITerminalConnection);
  let cuts = 0;
  line.cut.connect(() => {
    cuts += 1;
  });
  t.mock.timers.tick(5_000);
  assert.deepEqual([cuts, line.isCut], [1, true]);
  session.connectionStatusChanged.emit('connected');
  session.says('identity', 'one');
  assert.equal(line.isCut, false);
});
