/**
 * A websocket that is closed if it does not open in time.
 *
 * A browser opens the websockets to one server one after the other (RFC 6455 §4.1, item 2), and
 * Chromium waits four minutes for each: one whose handshake a proxy or a network swallows blocks all
 * others, those of reconnecting terminals among them.
 *
 * A notebook's kernel can still do that: Jupyter Server opens its websocket only when the kernel has
 * replied, for up to a minute.
 */

import type { Event } from '@jupyterlab/services';

const OPEN_MILLISECONDS = 10_000;

export class TimeoutSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    closeUnlessOpened(this);
  }
}

function closeUnlessOpened(socket: WebSocket): void {
  window.setTimeout(() => {
    if (socket.readyState === WebSocket.CONNECTING) {
      socket.close();
    }
  }, OPEN_MILLISECONDS);
}

/**
 * Give the websocket of JupyterLab's events the same timeout.
 *
 * Its event manager (4.6, `event/index.ts` of `@jupyterlab/services`) retries when a socket closes,
 * but waits without limit for one to open.  The first socket, which is private, is older than this
 * plug-in; the next ones come from `serverSettings`, which is read-only in its type.  Both may go when
 * the event manager has a timeout of its own.
 */
export function setOpenTimeout(events: Event.IManager): void {
  const { _socket: first } = events as unknown as { _socket?: unknown };
  if (first instanceof WebSocket) {
    closeUnlessOpened(first);
  }
  const settings = { ...events.serverSettings, WebSocket: TimeoutSocket };
  Reflect.set(events, 'serverSettings', settings); // false, not an error, if it cannot be set
}
