import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Terminal } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';
import { Reconnector } from '../src/terminals/reconnector';

const START = '2026-01-01T00:00:00.000000Z';
const LATER = '2026-01-01T01:00:00.000000Z';

/** As much of a server as a reconnector uses; it records the requests. */
class FakeServer {
  requests: string[] = [];

  constructor(
    public started: string,
    public terminals: string[]
  ) {
    Object.assign(globalThis, { window: globalThis });
    ServerConnection.makeRequest = async (url, { method, body }) => {
      const path = new URL(url, 'http://server').pathname;
      this.requests.push(`${method} ${path}`);
      return this._answer(path, body ? JSON.parse(String(body)).name : '');
    };
  }

  private _answer(path: string, name: string): Response {
    if (path === '/api/status') {
      return Response.json({ started: this.started });
    }
    if (name && this.terminals.includes(name)) {
      return Response.json({}, { status: 409 });
    }
    if (name) {
      this.terminals.push(name);
      return Response.json({ name });
    }
    const isThere = this.terminals.includes(path.replace('/api/terminals/', ''));
    return Response.json({}, { status: isThere ? 200 : 404 });
  }
}

function reconnectorTo(name: string): { outcomes: string[]; reconnector: Reconnector } {
  const outcomes: string[] = [];
  const record = (word: string) => () => {
    outcomes.push(word);
    reconnector.stop();
  };
  const callbacks = { found: record('found'), ended: record('ended'), refused: record('refused') };
  const reconnector = new Reconnector(
    { name } as Terminal.ITerminalConnection,
    () => START,
    callbacks
  );
  reconnector.start();
  return { outcomes, reconnector };
}

for (const [started, terminals, outcome, isStarted] of [
  [START, ['1'], 'found', false],
  [LATER, ['1'], 'found', false],
  [START, ['2'], 'ended', false],
  [LATER, ['2'], 'found', true]
] as [string, string[], string, boolean][]) {
  test(`the outcome depends on the server's terminals and its start: ${terminals} since ${started}`, async () => {
    const server = new FakeServer(started, terminals);
    const { outcomes, reconnector } = reconnectorTo('1');
    await reconnector.tryNow();
    assert.deepEqual(outcomes, [outcome]);
    assert.equal(server.requests.includes('POST /api/terminals'), isStarted);
  });
}

test('two tabs with a terminal of a crashed server start it once', async () => {
  const server = new FakeServer(LATER, []);
  const reconnectors = [reconnectorTo('1'), reconnectorTo('1')];
  await Promise.all(reconnectors.map(({ reconnector }) => reconnector.tryNow()));
  assert.deepEqual(server.terminals, ['1']);
  assert.deepEqual(
    reconnectors.map(({ outcomes }) => outcomes),
    [['found'], ['found']]
  );
});

test('one attempt runs at a time, and none after a stop', async () => {
  const server = new FakeServer(START, ['1']);
  const { outcomes, reconnector } = reconnectorTo('1');
  await Promise.all([reconnector.tryNow(), reconnector.tryNow()]);
  await reconnector.tryNow();
  assert.deepEqual(outcomes, ['found']);
  assert.equal(server.requests.length, 1);
});
