/**
 * The status as this page knows it: asked for once, then pushed by the server's events.
 *
 * The events come over a websocket of our own and not over JupyterLab's event manager, because that
 * one does not tell when it was cut, and rests while the page is hidden: what happened meanwhile
 * would be missed.  After each connection the whole status is asked for again.
 */

import { ServerConnection } from '@jupyterlab/services';
import { Token } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';
import { Backoff } from '../server/backoff';
import { ask, isSignedOut } from '../server/requests';
import { TimeoutSocket } from '../server/timeout_socket';
import { onWake } from '../server/wake';
import { isLate, type Pat, readable, type Status, withPart } from './model';

const SCHEMA = 'https://jupyter-dbx-agents/events/status/';
const RETRY_MILLISECONDS = [500, 15_000] as const;
const ANSWER_MILLISECONDS = 10_000;

/** The server's status, and what changes it. */
export interface IStatusStore {
  readonly status: Status;
  /** Whether the server has answered at all. */
  readonly isKnown: boolean;
  /** Whether the server pushes changes. */
  readonly isConnected: boolean;
  /** Whether the front door answers instead of the server, and requires a sign-in. */
  readonly isSignedOut: boolean;
  /** Whether `logOut` waits for its reply. */
  readonly isLoggingOut: boolean;
  /** Resolved when the server has answered for the first time. */
  readonly known: Promise<void>;
  /** Emitted after each change of the status or the connection. */
  readonly changed: ISignal<IStatusStore, void>;
  /** Put what a request has returned in its place at once; the event may come later. */
  put(part: Partial<Status>): void;
  /** Request the whole status; concurrent calls share one request.  Raises ServerError. */
  refresh(): Promise<void>;
  /** Have the server forget its tokens.  Raises ServerError. */
  logOut(): Promise<void>;
}

export const IStatusStore = new Token<IStatusStore>(
  'jupyter-dbx-agents:IStatusStore',
  'The status of the server: token, agents, projects and terminals.'
);

export class StatusStore implements IStatusStore {
  private _status: Status = {};
  private _isKnown = false;
  private _isConnected = false;
  private _isSignedOut = false;
  private _isLoggingOut = false;
  private _changed = new Signal<this, void>(this);
  private _backoff = new Backoff(...RETRY_MILLISECONDS);
  private _timer = 0;
  private _socket: WebSocket | null = null;
  private _asked: Promise<void> | null = null;
  private _toldMeanwhile: Partial<Status> = {};
  private _tellKnown: () => void = () => undefined;

  readonly known: Promise<void> = new Promise(resolve => {
    this._tellKnown = resolve;
  });

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get status(): Status {
    return this._status;
  }

  get isKnown(): boolean {
    return this._isKnown;
  }

  get isConnected(): boolean {
    return this._isConnected;
  }

  get isSignedOut(): boolean {
    return this._isSignedOut;
  }

  get isLoggingOut(): boolean {
    return this._isLoggingOut;
  }

  /** Start to follow the server, for as long as the page lives. */
  start(): void {
    this._connect();
    // In place of a connection that may be dead, without a word if all is well.
    onWake(() => this._connect());
  }

  put(part: Partial<Status>): void {
    if (part.pat && isLate(part.pat, this._status.pat)) {
      return;
    }
    Object.assign(this._toldMeanwhile, part);
    this._status = { ...this._status, ...part };
    this._changed.emit();
  }

  refresh(): Promise<void> {
    return this._asked ?? this._ask();
  }

  async logOut(): Promise<void> {
    this._isLoggingOut = true; // events that come before the reply are not somebody else's doing
    try {
      this.put({ pat: await ask<Pat>('pat', 'DELETE') });
    } finally {
      this._isLoggingOut = false;
    }
  }

  /** Ask, whoever asks already: only the last answer counts. */
  private _ask(): Promise<void> {
    const told: Partial<Status> = {};
    this._toldMeanwhile = told;
    const asked = this._learn(told).finally(() => {
      if (this._asked === asked) {
        this._asked = null;
      }
    });
    this._asked = asked;
    return asked;
  }

  /** A part that was told while this was asked is as young as the answer, or younger. */
  private async _learn(told: Partial<Status>): Promise<void> {
    const isLast = (): boolean => this._toldMeanwhile === told;
    try {
      const status = await ask<Status>('status', 'GET', undefined, ANSWER_MILLISECONDS);
      if (isLast()) {
        const answer = readable(status);
        if (isLate(told.pat, answer.pat)) {
          delete told.pat;
        }
        this._status = { ...answer, ...told };
        this._isKnown = true;
        this._isSignedOut = false;
        this._tellKnown();
        this._changed.emit();
      }
    } catch (error) {
      if (isLast() && this._isSignedOut !== isSignedOut(error)) {
        this._isSignedOut = isSignedOut(error);
        this._changed.emit();
      }
      throw error;
    }
  }

  private _connect(): void {
    const { wsUrl, appendToken, token } = ServerConnection.makeSettings();
    const query = appendToken && token ? `?token=${encodeURIComponent(token)}` : '';
    this._drop();
    const socket = new TimeoutSocket(`${wsUrl}api/events/subscribe${query}`);
    this._socket = socket;
    socket.onopen = () => void this._onOpen(socket);
    socket.onmessage = message => this._onMessage(message);
    socket.onclose = () => this._onClose();
  }

  private _drop(): void {
    window.clearTimeout(this._timer);
    this._forgetRevision();
    if (this._socket) {
      this._socket.onopen = this._socket.onmessage = this._socket.onclose = null;
      this._socket.close();
      this._socket = null;
    }
  }

  /** The next one may be to another server, which counts anew. */
  private _forgetRevision(): void {
    const { pat } = this._status;
    if (pat) {
      this._status = { ...this._status, pat: { ...pat, revision: -1 } };
    }
  }

  /** What was asked before it was open may have missed what came between. */
  private async _onOpen(socket: WebSocket): Promise<void> {
    const isKnown = await this._ask().then(
      () => true,
      () => false
    );
    if (this._socket !== socket) {
      return; // another one has been opened since
    }
    if (isKnown) {
      this._backoff.reset();
      this._isConnected = true;
      this._changed.emit();
    } else {
      this._onClose();
    }
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
    const part = withPart({}, event);
    if (part !== null) {
      this.put(part);
    } else {
      this._refreshAgain();
    }
  }

  /** Ask once more after the answer that is on its way, however often this is called meanwhile. */
  private _refreshAgain(): void {
    const asked = this._asked ?? Promise.resolve();
    void asked.finally(() => this.refresh()).catch(() => undefined);
  }

  private _onClose(): void {
    this._drop();
    const wasConnected = this._isConnected;
    this._isConnected = false;
    this._changed.emit();
    if (!wasConnected) {
      // A websocket is not told why it is refused; a request is.
      this.refresh().catch(() => undefined);
    }
    this._timer = window.setTimeout(() => this._connect(), this._backoff.next());
  }
}
