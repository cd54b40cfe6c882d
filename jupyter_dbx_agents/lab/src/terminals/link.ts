/**
 * A terminal's line to the server: what is typed while it is cut waits for the same terminal, and
 * is sent to no other of its name.
 *
 * The server says after each connection, before anything is drawn, which terminal this is and when
 * it has itself started, and says it again when asked.  So one that was given the name of a terminal
 * that has ended is told from the new shell that comes after a crash.  JupyterLab (4.6,
 * terminal/default.ts of its services) alone would
 *
 * - send what waits to whatever answers: after a crash, to a fresh shell.  So `send` is taken over.
 * - take a close with code 1000 or 1001 for the end, and say nothing (its pull request 18243, since
 *   4.6): a proxy that restarts closes like that.  So the socket, which is private, is asked for
 *   with care; without it, the next key finds out.
 * - end a connection alike when the server says that its terminal has ended, and when its regular
 *   look misses one.  So the server's word is listened for.
 * - never find out that nobody is there when nobody says so, as after a laptop's sleep.  So it asks
 *   with the first key after a silence, and whenever the page wakes up.
 */

import type { Terminal } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

const SILENCE_MILLISECONDS = 10_000;
// As long as a slow network may take; what is typed meanwhile waits.
const ANSWER_MILLISECONDS = 5000;
const POLITE_CODES = [1000, 1001];
// The server's addition to the protocol, which JupyterLab's types do not know.
const IDENTITY = 'identity' as Terminal.MessageType;

type Session = Terminal.ITerminalConnection;

export class Line {
  /** Emitted when the connection is cut. */
  readonly cut = new Signal<this, void>(this);
  /** Emitted when there is one again, before anything is drawn: whether to the same terminal. */
  readonly mended = new Signal<this, boolean>(this);
  /** Emitted in place of `mended` when the same server has given the name to another terminal. */
  readonly replaced = new Signal<this, void>(this);

  private _identity = '';
  private _serverStart = '';
  private _isUp = false;
  private _isCut = false;
  private _wasToldOfEnd = false;
  private _isSocketKnown = false;
  private _waiting: Terminal.IMessage[] = [];
  private _heardAt = 0;
  private _question = 0;
  private _send: Session['send'];

  constructor(private _session: Session) {
    this._send = _session.send.bind(_session);
    _session.send = message => this._onSend(message);
    _session.connectionStatusChanged.connect(this._onStatus, this);
    _session.messageReceived.connect(this._onMessage, this);
    _session.disposed.connect(() => window.clearTimeout(this._question));
    // The first connection: JupyterLab says of none of its attempts that it has failed.
    this._question = window.setTimeout(() => this._cut(), ANSWER_MILLISECONDS);
  }

  /** Whether the connection is cut, or the first one does not come about. */
  get isCut(): boolean {
    return this._isCut;
  }

  /** When the server had started that had this terminal; '' for one that does not tell. */
  get serverStart(): string {
    return this._serverStart;
  }

  /** Whether the server has said that the terminal has ended; a guess where that is not heard. */
  get wasToldOfEnd(): boolean {
    return this._wasToldOfEnd || (!this._isSocketKnown && !this._isCut);
  }

  /** How many characters wait; what the terminal itself reports, such as its focus, is none. */
  get waitingCharacters(): number {
    const texts = this._waiting.map(message => String(message.content?.[0]));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals report in sequences
    return texts.join('').replace(/\x1b(\[[0-?]*[ -/]*[@-~]|O.)/g, '').length;
  }

  /** Connect anew; how that ends is told by the signals. */
  reconnect(): void {
    if (!this._session.isDisposed) {
      this._session.reconnect().catch(() => undefined);
    }
  }

  /** Ask for a sign of life, and connect anew if there is none. */
  ask(): void {
    if (this._isUp && this._identity && !this._question) {
      this._question = window.setTimeout(() => this.reconnect(), ANSWER_MILLISECONDS);
      this._send({ type: IDENTITY, content: [] });
    }
  }

  private _onSend(message: Terminal.IMessage): void {
    if (message.type !== 'stdin') {
      this._send(message);
      return;
    }
    if (this._isUp && this._isClosing()) {
      this.reconnect(); // what is sent now would be dropped
    } else if (Date.now() - this._heardAt > SILENCE_MILLISECONDS) {
      this.ask();
    }
    if (this._isCut || (this._isUp && this._question)) {
      this._waiting.push(message);
    } else {
      this._send(message);
    }
  }

  private _onStatus(_: Session, status: Terminal.ConnectionStatus): void {
    if (status === 'connected') {
      this._hear();
      this._watchSocket();
    } else if (this._isUp || (status === 'disconnected' && !this._isCut)) {
      this._hear();
      this._cut();
    }
  }

  private _cut(): void {
    this._isUp = false;
    if (!this._session.isDisposed) {
      this._isCut = true;
      this.cut.emit();
    }
  }

  private _onMessage(_: Session, { type, content }: Terminal.IMessage): void {
    this._hear();
    if (!this._isUp) {
      const [identity = '', start = ''] = type === IDENTITY ? (content ?? []).map(String) : [];
      this._onUp(identity, start);
    }
    if (this._isUp) {
      this._sendWaiting();
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
    if (this._isCut) {
      this.mended.emit(isSame);
      this._isCut = false;
      this._waiting = isSame ? this._waiting : [];
    }
  }

  private _sendWaiting(): void {
    const waiting = this._waiting;
    this._waiting = [];
    for (const message of waiting) {
      this._send(message);
    }
  }

  private _hear(): void {
    this._heardAt = Date.now();
    window.clearTimeout(this._question);
    this._question = 0;
  }

  private _watchSocket(): void {
    const socket = this._socket();
    this._isSocketKnown = socket !== null;
    if (!socket) {
      return;
    }
    // A listener would come after JupyterLab's handler, which ends the session.
    const handle = socket.onmessage;
    socket.onmessage = event => {
      this._wasToldOfEnd ||= String(event.data).startsWith('["disconnect"');
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

  private _socket(): WebSocket | null {
    const { _ws: socket } = this._session as unknown as { _ws?: unknown };
    return socket instanceof WebSocket ? socket : null;
  }
}
