/**
 * A websocket that gives up when nobody lets it open.
 *
 * A browser opens its websockets to a server one after the other (RFC 6455 §4.1, item 2), and
 * Chromium waits four minutes for one: what a proxy or a network swallows keeps all others waiting,
 * a terminal's way back among them.
 *
 * A notebook's kernel can still do that: Jupyter Server lets its websocket open only when the kernel
 * has answered, for which it gives it a minute.
 */

import type { Event } from '@jupyterlab/services';

const OPEN_MILLISECONDS = 10_000;

export class TimeoutSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    closeInTime(this);
  }
}

function closeInTime(socket: WebSocket): void {
  window.setTimeout(() => {
    if (socket.readyState === WebSocket.CONNECTING) {
      socket.close();
    }
  }, OPEN_MILLISECONDS);
}

/**
 * Have JupyterLab's events give up, too.
 *
 * Its event manager (4.6, event/index.ts of its services) tries again when a socket closes, but
 * waits for ever for one to open.  The first, which is private, is older than this plug-in.
 */
export function setOpenTimeout(events: Event.IManager): void {
  const { _socket: first } = events as unknown as { _socket?: unknown };
  if (first instanceof WebSocket) {
    closeInTime(first);
  }
  const settings = { ...events.serverSettings, WebSocket: TimeoutSocket };
  Reflect.set(events, 'serverSettings', settings); // another manager than JupyterLab's may refuse
}
