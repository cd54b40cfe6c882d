/**
 * A websocket that gives up when nobody lets it open.
 *
 * A page opens its websockets to a server one after the other (RFC 6455 §4.1, item 2), and Chromium
 * waits four minutes for one: what a proxy or a network swallows keeps all others waiting, a
 * terminal's way back among them.
 */

import type { Event } from '@jupyterlab/services';

/** For a connection, or a status; on a network that swallows everything, a browser waits minutes. */
export const OPEN_MILLISECONDS = 10_000;

export class ImpatientSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    const timer = window.setTimeout(() => this.close(), OPEN_MILLISECONDS);
    const onDecided = (): void => window.clearTimeout(timer);
    this.addEventListener('open', onDecided);
    this.addEventListener('close', onDecided);
  }
}

/** JupyterLab's event manager tries again when its socket closes, but waits for ever for it to open. */
export function makeImpatient(events: Event.IManager): void {
  const { serverSettings } = events;
  Object.assign(events, { serverSettings: { ...serverSettings, WebSocket: ImpatientSocket } });
}
