/**
 * The status as this page knows it: asked for once, then pushed by the server's events.
 *
 * The events come over a websocket of our own and not over JupyterLab's event manager, because that
 * one does not tell when it was cut, and rests while the page is hidden: what happened meanwhile
 * would be missed.  After each connection the whole status is asked for again.
 */

import { ServerConnection } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';
import { readable, type Status, withPart } from './model';
import { ask } from './server';

const SCHEMA = 'https://jupyter-dbx-agents/events/status/';
const RETRY_MILLISECONDS = { least: 500, most: 15_000 };

export class StatusStore {
  private _status: Status = {};
  private _isKnown = false;
  private _isConnected = false;
  private _changed = new Signal<this, void>(this);
  private _attempts = 0;
  private _retry = 0;
  private _socket: WebSocket | null = null;
  private _asked: Promise<void> | null = null;
  private _version = 0;
  private _tellKnown: () => void = () => undefined;

  /** Resolved when the server has answered for the first time. */
  readonly known: Promise<void> = new Promise(resolve => {
    this._tellKnown = resolve;
  });

  /** Emitted after each change of the status or the connection. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get status(): Status {
    return this._status;
  }

  /** Whether the server has answered at all. */
  get isKnown(): boolean {
    return this._isKnown;
  }

  /** Whether changes are being pushed. */
  get isConnected(): boolean {
    return this._isConnected;
  }

  /** Start to follow the server, for as long as the page lives. */
  start(): void {
    this._connect();
    window.addEventListener('online', () => this._connectSoon(0));
  }

  /** Put what a request has returned in its place at once; the event may come later. */
  put(part: Partial<Status>): void {
    this._version += 1;
    this._status = { ...this._status, ...part };
    this._changed.emit();
  }

  /** Ask for everything again; requests at the same time are one. */
  refresh(): Promise<void> {
    this._asked ??= this._ask().finally(() => {
      this._asked = null;
    });
    return this._asked;
  }

  private async _ask(): Promise<void> {
    const version = this._version;
    const status = await ask<Status>('status');
    if (version !== this._version) {
      return this._ask(); // an event overtook the reply
    }
    this._status = readable(status);
    this._isKnown = true;
    this._tellKnown();
    this._changed.emit();
  }

  private _connect(): void {
    const { wsUrl, WebSocket, appendToken, token } = ServerConnection.makeSettings();
    const query = appendToken && token ? `?token=${encodeURIComponent(token)}` : '';
    const socket = new WebSocket(`${wsUrl}api/events/subscribe${query}`);
    this._drop();
    this._socket = socket;
    socket.onopen = () => this._onOpen(socket);
    socket.onmessage = message => this._onMessage(message);
    socket.onclose = () => this._onClose();
  }

  private _drop(): void {
    if (this._socket) {
      this._socket.onopen = this._socket.onmessage = this._socket.onclose = null;
      this._socket.close();
    }
  }

  private _onOpen(socket: WebSocket): void {
    this.refresh().then(
      () => {
        this._attempts = 0;
        this._isConnected = true;
        this._changed.emit();
      },
      () => socket.close()
    );
  }

  private _onMessage(message: MessageEvent): void {
    let event: Record<string, unknown>;
    try {
      event = JSON.parse(message.data);
    } catch {
      return; // no event of ours
    }
    if (!String(event.schema_id).startsWith(SCHEMA)) {
      return;
    }
    this._version += 1;
    const status = withPart(this._status, event);
    if (status === null || !this._isKnown) {
      this.refresh().catch(() => undefined);
      return;
    }
    this._status = status;
    this._changed.emit();
  }

  private _onClose(): void {
    this._isConnected = false;
    this._changed.emit();
    const { least, most } = RETRY_MILLISECONDS;
    const delay = Math.min(most, least * 2 ** this._attempts) * (0.5 + Math.random() / 2);
    this._attempts += 1;
    this._connectSoon(delay);
  }

  private _connectSoon(milliseconds: number): void {
    if (this._isConnected) {
      return;
    }
    window.clearTimeout(this._retry);
    this._retry = window.setTimeout(() => this._connect(), milliseconds);
  }
}
