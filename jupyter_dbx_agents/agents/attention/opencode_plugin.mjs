// A plug-in of OpenCode that reports to the server what it is doing.  Whatever goes wrong, OpenCode
// is not disturbed: nothing is awaited, and no error leaves.
//
// Sessions with a parent are those of sub-agents.  The events are those of OpenCode 1.18.

import { createConnection } from 'node:net';

const SOCKET = process.env.JUPYTER_DBX_AGENTS_SOCKET;
const TERMINAL = process.env.JUPYTER_DBX_AGENTS_TERMINAL ?? '';
const PATH = '/dbx-agents/api/attention/report';
const MOST_TEXT = 400;

const parents = new Map();
const failed = new Set();
let last = 0;

function report(session, state, text = '') {
  // Later than the one before: they are sent at the same time, and the later one counts.
  last = Math.max(Date.now() / 1000, last + 0.000001);
  const id = parents.get(session) ? session : '';
  const body = JSON.stringify({
    agent: 'opencode', state, id, terminal: TERMINAL, pid: process.pid, at: last,
    text: String(text).slice(0, MOST_TEXT),
  });
  const head = `POST ${PATH} HTTP/1.0\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}`;
  const socket = createConnection(SOCKET);
  socket.on('error', () => undefined);
  socket.on('data', () => socket.destroy());
  socket.setTimeout(2000, () => socket.destroy());
  socket.unref?.();
  socket.write(`${head}\r\n\r\n${body}`);
}

function onEvent({ type, properties: given = {} }) {
  const session = given.sessionID ?? given.info?.id;
  if (type === 'session.created' || type === 'session.updated') {
    parents.set(session, given.info?.parentID);
  } else if (type === 'session.status' && given.status?.type !== 'idle') {
    failed.delete(session);
    report(session, 'working');
  } else if (type === 'session.idle') {
    report(session, parents.get(session) ? 'idle' : failed.has(session) ? 'failed' : 'done');
  } else if (type === 'session.error') {
    const isAborted = given.error?.name === 'MessageAbortedError';
    if (!isAborted) failed.add(session);
    report(session, isAborted ? 'idle' : 'failed', isAborted ? '' : given.error?.data?.message);
  } else if (type === 'permission.asked') {
    report(session, 'permission', [given.permission, ...(given.patterns ?? [])].join(' '));
  } else if (type === 'question.asked') {
    report(session, 'question', given.questions?.[0]?.question);
  } else if (/^(permission|question)\.(replied|rejected)$/.test(type)) {
    report(session, 'working');
  }
}

export const DatabricksAttention = async () => ({
  event: async ({ event }) => {
    try {
      if (SOCKET) onEvent(event);
    } catch {
      // an event of another shape
    }
  },
});
