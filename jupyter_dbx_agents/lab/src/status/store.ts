/**
 * The status as this page knows it: requested once, then updated by the server's events.
 *
 * The events come over a websocket of our own and not over JupyterLab's event manager, which does not
 * report a lost connection and pauses while the page is hidden: events would be missed.  After each
 * connection the whole status is requested again.
 */

import { ServerConnection } from '@jupyterlab/services';
import { Token } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';
import { Backoff } from '../server/backoff';
import { isSignedOut, request } from '../server/requests';
import { SILENT_MILLISECONDS, Silence } from '../server/silence';
import { TimeoutSocket } from '../server/timeout_socket';
import { onWake } from '../server/wake';
import { isOutdated, type Pat, readable, type Status, withPart } from './model';

const SCHEMA = 'https://jupyter-dbx-agents/events/status/';
// The event that shows that the connection is alive.
const BEAT = 'beat';
const RETRY_MILLISECONDS = [500, 15_000] as const;
const REPLY_MILLISECONDS = 10_000;

/** The server's status, and what changes it. */
export interface IStatusStore {
  readonly status: Status;
  /** Whether the server has answered at all. */
  readonly isKnown: boolean;
  /** Whether the server pushes changes. */
  readonly isConnected: boolean;
  /** Whether the front door answers instead of the server, and requires a sign-in. */
  readonly isSignedOut: boolean;
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
  private _changed = new Signal<this, void>(this);
  private _backoff = new Backoff(...RETRY_MILLISECONDS);
  private _silence = new Silence(() => this._onClose());
  private _timer = 0;
  private _lossTimer = 0;
  private _socket: WebSocket | null = null;
  private _request: Promise<void> | null = null;
  private _putMeanwhile: Partial<Status> = {};
  private _resolveKnown: () => void = () => undefined;

  readonly known: Promise<void> = new Promise(resolve => {
    this._resolveKnown = resolve;
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

  /** Follow the server for the life of the page. */
  start(): void {
    this._connect();
    // Replace a connection that may be dead, without showing anything if all is well.
    onWake(() => this._connect());
    // The socket would not notice for minutes.
    window.addEventListener('offline', () => this._onClose());
  }

  put(part: Partial<Status>): void {
    if (part.pat && isOutdated(part.pat, this._status.pat)) {
      return;
    }
    Object.assign(this._putMeanwhile, part);
    this._status = { ...this._status, ...part };
    this._changed.emit();
  }

  refresh(): Promise<void> {
    return this._request ?? this._requestStatus();
  }

  async logOut(): Promise<void> {
    this.put({ pat: await request<Pat>('pat', 'DELETE') });
  }

  /** Request the status, even while another request runs: only the last reply counts. */
  private _requestStatus(): Promise<void> {
    const putMeanwhile: Partial<Status> = {};
    this._putMeanwhile = putMeanwhile;
    const request = this._load(putMeanwhile).finally(() => {
      if (this._request === request) {
        this._request = null;
      }
    });
    this._request = request;
    return request;
  }

  /** Parts that were put during the request are as recent as its reply, or more. */
  private async _load(putMeanwhile: Partial<Status>): Promise<void> {
    const isLast = (): boolean => this._putMeanwhile === putMeanwhile;
    try {
      const reply = await request<Status>('status', 'GET', undefined, REPLY_MILLISECONDS);
      if (isLast()) {
        const status = readable(reply);
        if (isOutdated(putMeanwhile.pat, status.pat)) {
          delete putMeanwhile.pat;
        }
        const { titles, offer } = this._status;
        const ours = { ...(titles && { titles }), ...(offer && { offer }) };
        this._status = { ...status, ...ours, ...putMeanwhile };
        this._isKnown = true;
        this._isSignedOut = false;
        this._resolveKnown();
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
    this._disconnect();
    // One that was connected stays so for the moment in which a sound connection is replaced.
    window.clearTimeout(this._lossTimer);
    this._lossTimer = window.setTimeout(() => this._lose(), SILENT_MILLISECONDS);
    const socket = new TimeoutSocket(`${wsUrl}api/events/subscribe${query}`);
    this._socket = socket;
    socket.onopen = () => void this._onOpen(socket);
    socket.onmessage = message => this._onMessage(message);
    socket.onclose = () => this._onClose();
  }

  private _disconnect(): void {
    window.clearTimeout(this._timer);
    this._silence.stop();
    this._resetRevision();
    if (this._socket) {
      this._socket.onopen = this._socket.onmessage = this._socket.onclose = null;
      this._socket.close();
      this._socket = null;
    }
  }

  /** The next connection may be to another server, whose revisions start at 0. */
  private _resetRevision(): void {
    const { pat } = this._status;
    if (pat) {
      this._status = { ...this._status, pat: { ...pat, revision: -1 } };
    }
  }

  /** Request the status again: events between an earlier reply and the connection were missed. */
  private async _onOpen(socket: WebSocket): Promise<void> {
    const isLoaded = await this._requestStatus().then(
      () => true,
      () => false
    );
    if (this._socket !== socket) {
      return; // another one has been opened since
    }
    if (isLoaded) {
      window.clearTimeout(this._lossTimer);
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
      return; // not an event of ours
    }
    if (!String(event.schema_id).startsWith(SCHEMA)) {
      return;
    }
    this._silence.hear(event.part === BEAT);
    if (event.part === BEAT) {
      return;
    }
    const part = withPart({}, event);
    if (part !== null) {
      this.put(part);
    } else {
      this._refreshAgain();
    }
  }

  /** Request the status once more after the running request, however often this is called. */
  private _refreshAgain(): void {
    const running = this._request ?? Promise.resolve();
    void running.finally(() => this.refresh()).catch(() => undefined);
  }

  private _lose(): void {
    this._isConnected = false;
    this._changed.emit();
  }

  private _onClose(): void {
    this._disconnect();
    const wasConnected = this._isConnected;
    this._lose();
    if (!wasConnected) {
      // A websocket does not report why it was refused; a request does.
      this.refresh().catch(() => undefined);
    }
    this._timer = window.setTimeout(() => this._connect(), this._backoff.next());
  }
}
