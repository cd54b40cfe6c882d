import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Terminal } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';
import { WayBack } from '../src/terminals/reconnector';

const START = '2026-01-01T00:00:00.000000Z';
const LATER = '2026-01-01T01:00:00.000000Z';

/** A server as far as a way back asks it; `asked` is what it was asked, in its order. */
class FakeServer {
  asked: string[] = [];

  constructor(
    public started: string,
    public terminals: string[]
  ) {
    Object.assign(globalThis, { window: globalThis });
    ServerConnection.makeRequest = async (url, { method, body }) => {
      const path = new URL(url, 'http://server').pathname;
      this.asked.push(`${method} ${path}`);
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

function wayTo(name: string): { told: string[]; way: WayBack } {
  const told: string[] = [];
  const tell = (word: string) => () => {
    told.push(word);
    way.stop();
  };
  const news = { found: tell('found'), ended: tell('ended'), refused: tell('refused') };
  const way = new WayBack({ name } as Terminal.ITerminalConnection, () => START, news);
  way.start();
  return { told, way };
}

for (const [started, terminals, said, isStarted] of [
  [START, ['1'], 'found', false],
  [LATER, ['1'], 'found', false],
  [START, ['2'], 'ended', false],
  [LATER, ['2'], 'found', true]
] as [string, string[], string, boolean][]) {
  test(`what the server has of the terminal is told: ${terminals} since ${started}`, async () => {
    const server = new FakeServer(started, terminals);
    const { told, way } = wayTo('1');
    await way.look();
    assert.deepEqual(told, [said]);
    assert.equal(server.asked.includes('POST /api/terminals'), isStarted);
  });
}

test('two tabs that come back to a terminal of a server that has crashed start it once', async () => {
  const server = new FakeServer(LATER, []);
  const ways = [wayTo('1'), wayTo('1')];
  await Promise.all(ways.map(({ way }) => way.look()));
  assert.deepEqual(server.terminals, ['1']);
  assert.deepEqual(
    ways.map(({ told }) => told),
    [['found'], ['found']]
  );
});

test('it is looked for once at a time, and by nobody who no longer wants it', async () => {
  const server = new FakeServer(START, ['1']);
  const { told, way } = wayTo('1');
  await Promise.all([way.look(), way.look()]);
  await way.look();
  assert.deepEqual(told, ['found']);
  assert.equal(server.asked.length, 1);
});
