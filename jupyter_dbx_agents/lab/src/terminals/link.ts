/**
 * The connection of one terminal: input is queued while it is down, and sent only to the same
 * terminal.
 *
 * After each connection, before any output, the server sends which terminal this is and when the
 * server started, and sends it again on request.  That tells a terminal apart from another one with
 * the same name, and from the new shell after a crash.
 *
 * Why JupyterLab's own connection does not suffice (4.6, `terminal/default.ts` of
 * `@jupyterlab/services`):
 *
 * - It sends queued input to whatever answers, after a crash to a fresh shell.  So `send` is replaced.
 * - It takes close codes 1000 and 1001 for the end of the terminal, without notice (its pull request
 *   18243), but a proxy that restarts sends them.  So the private socket is watched.
 * - It reports an end alike when the server says that the terminal has ended and when its poll does
 *   not list it.  So the server's message is watched.
 * - It never notices a dead connection that nobody closes, as after a laptop's sleep.  So the first
 *   key after a silence, and a page that wakes up, sends a ping.
 */

import type { Terminal } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

const SILENCE_MILLISECONDS = 10_000;
// As long as a slow network may take; input is queued meanwhile.
const PONG_MILLISECONDS = 5000;
const POLITE_CODES = [1000, 1001];
// The server's addition to the protocol, which JupyterLab's types do not list.
const IDENTITY = 'identity' as Terminal.MessageType;

type Session = Terminal.ITerminalConnection;

export class TerminalLink {
  /** Emitted when the connection is lost. */
  readonly lost = new Signal<this, void>(this);
  /** Emitted when it is back, before any output; the value is whether to the same terminal. */
  readonly restored = new Signal<this, boolean>(this);
  /** Emitted instead of `restored` when the same server has given the name to another terminal. */
  readonly replaced = new Signal<this, void>(this);

  private _identity = '';
  private _serverStart = '';
  private _isUp = false;
  private _isLost = false;
  private _isEndReported = false;
  private _isSocketKnown = false;
  private _queue: Terminal.IMessage[] = [];
  private _receivedAt = 0;
  private _pongTimer = 0;
  private _send: Session['send'];

  constructor(private _session: Session) {
    this._send = _session.send.bind(_session);
    // Replaced, since JupyterLab would queue input for any terminal.  May go when it checks which.
    _session.send = message => this._onSend(message);
    _session.connectionStatusChanged.connect(this._onStatus, this);
    _session.messageReceived.connect(this._onMessage, this);
    _session.disposed.connect(() => window.clearTimeout(this._pongTimer));
    // JupyterLab does not report that the first connection has failed.
    this._pongTimer = window.setTimeout(() => this._lose(), PONG_MILLISECONDS);
  }

  /** Whether the connection is lost, or the first one could not be made. */
  get isLost(): boolean {
    return this._isLost;
  }

  /** When the server that had this terminal started; '' if it does not send that. */
  get serverStart(): string {
    return this._serverStart;
  }

  /** Whether the server has reported the terminal's end; a guess if the socket is not accessible. */
  get isEndReported(): boolean {
    return this._isEndReported || (!this._isSocketKnown && !this._isLost);
  }

  /** How many typed characters are queued; reports of the terminal itself do not count. */
  get queuedCharacters(): number {
    const texts = this._queue.map(message => String(message.content?.[0]));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals report in sequences
    return texts.join('').replace(/\x1b(\[[0-?]*[ -/]*[@-~]|O.)/g, '').length;
  }

  /** Connect again; the signals report the outcome. */
  reconnect(): void {
    if (!this._session.isDisposed) {
      this._session.reconnect().catch(() => undefined);
    }
  }

  /** Request a sign of life, and connect again if there is none. */
  ping(): void {
    if (this._isUp && this._identity && !this._pongTimer) {
      this._pongTimer = window.setTimeout(() => this.reconnect(), PONG_MILLISECONDS);
      this._send({ type: IDENTITY, content: [] });
    }
  }

  private _onSend(message: Terminal.IMessage): void {
    if (message.type !== 'stdin') {
      this._send(message);
      return;
    }
    if (this._isUp && this._isClosing()) {
      this.reconnect(); // the socket would drop the message
    } else if (Date.now() - this._receivedAt > SILENCE_MILLISECONDS) {
      this.ping();
    }
    if (this._isLost || (this._isUp && this._pongTimer)) {
      this._queue.push(message);
    } else {
      this._send(message);
    }
  }

  private _onStatus(_: Session, status: Terminal.ConnectionStatus): void {
    if (status === 'connected') {
      this._markAlive();
      this._watchSocket();
    } else if (this._isUp || (status === 'disconnected' && !this._isLost)) {
      this._markAlive();
      this._lose();
    }
  }

  private _lose(): void {
    this._isUp = false;
    if (!this._session.isDisposed) {
      this._isLost = true;
      this.lost.emit();
    }
  }

  private _onMessage(_: Session, { type, content }: Terminal.IMessage): void {
    this._markAlive();
    if (!this._isUp) {
      const [identity = '', start = ''] = type === IDENTITY ? (content ?? []).map(String) : [];
      this._onUp(identity, start);
    }
    if (this._isUp) {
      this._sendQueue();
    }
  }

  private _onUp(identity: string, serverStart: string): void {
    const isSame = !this._identity || identity === this._identity;
    if (!isSame && serverStart && serverStart === this._serverStart) {
      this.replaced.emit();
      return;
    }
    this._identity = identity;
    this._serverStart = serverStart;
    this._isUp = true;
    if (this._isLost) {
      this.restored.emit(isSame);
      this._isLost = false;
      this._queue = isSame ? this._queue : [];
    }
  }

  private _sendQueue(): void {
    const queue = this._queue;
    this._queue = [];
    for (const message of queue) {
      this._send(message);
    }
  }

  private _markAlive(): void {
    this._receivedAt = Date.now();
    window.clearTimeout(this._pongTimer);
    this._pongTimer = 0;
  }

  private _watchSocket(): void {
    const socket = this._socket();
    this._isSocketKnown = socket !== null;
    if (!socket) {
      return;
    }
    // A listener would run after JupyterLab's handler, which disposes the session.
    const handle = socket.onmessage;
    socket.onmessage = event => {
      this._isEndReported ||= String(event.data).startsWith('["disconnect"');
      handle?.call(socket, event);
    };
    socket.addEventListener('close', ({ code }) => {
      if (this._socket() === socket && POLITE_CODES.includes(code)) {
        this.reconnect();
      }
    });
  }

  private _isClosing(): boolean {
    const socket = this._socket();
    return socket !== null && socket.readyState > WebSocket.OPEN;
  }

  /**
   * Return the session's private socket, if it has one.
   *
   * Private since JupyterLab offers neither close codes nor raw messages; without it, the next key
   * detects a lost connection.  It may go when `ITerminalConnection` reports both.
   */
  private _socket(): WebSocket | null {
    const { _ws: socket } = this._session as unknown as { _ws?: unknown };
    return socket instanceof WebSocket ? socket : null;
  }
}
