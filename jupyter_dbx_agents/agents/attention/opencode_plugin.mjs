// A plug-in of OpenCode's screen that reports to the server what OpenCode is doing.  Whatever goes
// wrong, OpenCode is not disturbed: nothing is awaited, and no error leaves.
//
// It imports nothing but Node's own, and is one of the screen (`tui.json`), not of OpenCode's server
// (`opencode.json`): with any of those the program waits at its start until npm has installed the
// package for plug-ins.
//
// Sessions with a parent are those of sub-agents.  The events are those of OpenCode 1.18.

import { createConnection } from 'node:net';

const SOCKET = process.env.JUPYTER_DBX_AGENTS_SOCKET;
const TERMINAL = process.env.JUPYTER_DBX_AGENTS_TERMINAL ?? '';
const PATH = '/dbx-agents/api/attention/report';
const MOST_TEXT = 400;
const ABORTED = 'MessageAbortedError';

const parents = new Map();
// What a turn that is not simply done is when it ends: failed, or idle after the owner's Esc.
const endings = new Map();
let last = 0;

function report(session, state, text = '') {
  // Later than the one before: they are sent at the same time, and the later one counts.
  last = Math.max(Date.now() / 1000, last + 0.000001);
  const id = parents.get(session) ? session : '';
  const body = JSON.stringify({
    agent: 'opencode', state, id, terminal: TERMINAL, pid: process.pid, at: last,
    text: String(text ?? '').slice(0, MOST_TEXT),
  });
  const head = `POST ${PATH} HTTP/1.0\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}`;
  const socket = createConnection(SOCKET);
  socket.on('error', () => undefined);
  socket.on('data', () => socket.destroy());
  socket.setTimeout(2000, () => socket.destroy());
  socket.unref?.();
  socket.write(`${head}\r\n\r\n${body}`);
}

function remember({ sessionID, info }) {
  parents.set(sessionID ?? info?.id, info?.parentID);
}

function fail(session, { name, data } = {}) {
  endings.set(session, name === ABORTED ? 'idle' : 'failed');
  report(session, endings.get(session), name === ABORTED ? '' : data?.message);
}

function end(session) {
  report(session, parents.get(session) ? 'idle' : (endings.get(session) ?? 'done'));
}

// A turn that the owner's Esc ends before its model was called has no other error.
function note({ sessionID, info }) {
  if (info?.error?.name === ABORTED) endings.set(sessionID ?? info.sessionID, 'idle');
}

function goOn(session) {
  report(session, 'working');
}

const HANDLERS = {
  'session.created': remember,
  'session.updated': remember,
  'message.updated': note,
  'session.status': ({ sessionID, status }) => {
    if (status?.type !== 'idle') {
      endings.delete(sessionID);
      goOn(sessionID);
    }
  },
  'session.idle': ({ sessionID }) => end(sessionID),
  'session.error': ({ sessionID, error }) => fail(sessionID, error),
  'permission.asked': ({ sessionID, permission, patterns }) =>
    report(sessionID, 'permission', [permission, ...(patterns ?? [])].join(' ')),
  'question.asked': ({ sessionID, questions }) =>
    report(sessionID, 'question', questions?.[0]?.question),
  'permission.replied': ({ sessionID }) => goOn(sessionID),
  'question.replied': ({ sessionID }) => goOn(sessionID),
  'question.rejected': ({ sessionID }) => goOn(sessionID),
};

function follow(api) {
  for (const [type, handle] of Object.entries(HANDLERS)) {
    api.event.on(type, ({ properties }) => {
      try {
        handle(properties ?? {});
      } catch {
        // an event of another shape
      }
    });
  }
}

export default {
  id: 'databricks-attention',
  tui: async api => {
    if (SOCKET) follow(api);
  },
};
