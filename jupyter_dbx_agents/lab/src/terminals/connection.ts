/**
 * A terminal's connection: a visible word when it is lost, and the way back.
 *
 * JupyterLab itself tries again seven times, without a word and on top of the old screen, and closes
 * the tab when the server has been restarted.  Here the screen is cleared before the server's replay,
 * the trying goes on, and a terminal that went down with the server comes back as a new shell in
 * the same tab, below what was there.
 */

import { ServerConnection, type Terminal } from '@jupyterlab/services';
import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { isStopping } from '../model';
import type { StatusStore } from '../store';
import { Notice } from './notice';
import type { RunningPoll } from './running_poll';
import type { XTerm } from './xterm';

const NOTICE_AFTER_MILLISECONDS = 400;
const AGAIN_MILLISECONDS = 5000;

export class Connection {
  private _notice: Notice;
  private _session: Terminal.ITerminalConnection;
  private _wasConnected: boolean;
  private _isLost = false;
  private _isNew = false;
  private _closesOnExit: boolean;
  private _timer = 0;
  private _noticeTimer = 0;
  private _connectedAt = Date.now();

  constructor(
    private _terminal: ITerminal.ITerminal,
    private _xterm: XTerm | null,
    private _store: StatusStore,
    private _trans: TranslationBundle,
    host: HTMLElement,
    private _open: () => Promise<unknown>,
    private _running: RunningPoll
  ) {
    this._notice = new Notice(host);
    this._session = _terminal.session;
    // Whether a terminal's end is the user's or the server's is asked first, in `_onEnded`.
    this._closesOnExit = _terminal.getOption('closeOnExit');
    _terminal.setOption('closeOnExit', false);
    this._wasConnected = this._session.connectionStatus === 'connected';
    this._session.connectionStatusChanged.connect(this._follow, this);
    this._session.disposed.connect(() => void this._onEnded());
    _store.changed.connect(this._onServer, this);
    _terminal.disposed.connect(() => this._end());
  }

  /** Whether what comes now may be a replay and not the program's word of this moment. */
  get isReplaying(): boolean {
    return this._isLost || Date.now() - this._connectedAt < 1000;
  }

  private _follow(_: unknown, status: Terminal.ConnectionStatus): void {
    if (status === 'connected') {
      this._onConnected();
    } else if (this._wasConnected && !this._session.isDisposed) {
      this._onLost();
      if (status === 'disconnected') {
        this._tryAgain();
      }
    }
  }

  private _onConnected(): void {
    this._connectedAt = Date.now();
    if (this._isLost) {
      if (this._isNew) {
        this._xterm?.write(this._newShellLine(this._xterm));
      } else {
        this._xterm?.reset(); // a replay of the whole screen follows
      }
    }
    this._wasConnected = true;
    this._isLost = this._isNew = false;
    this._clearTimers();
    this._running.release(this);
    this._notice.hide();
  }

  /** Leave the modes of what has crashed, and draw a line below what it has shown. */
  private _newShellLine(xterm: XTerm): string {
    const text = this._trans.__('The server was restarted; this is a new shell.');
    // Only from the other screen: on this one it would put the cursor where it was long ago.
    const leave = xterm.buffer.active.type === 'alternate' ? '\x1b[?1049l' : '';
    return `${leave}\x1b[!p\r\n\x1b[7m ${text} \x1b[m\r\n`;
  }

  private _onLost(): void {
    if (this._isLost) {
      return;
    }
    this._isLost = true;
    this._running.hold(this);
    this._noticeTimer = window.setTimeout(() => {
      const text = this._trans.__('Reconnecting … What you type is kept and sent then.');
      this._notice.show(text);
    }, NOTICE_AFTER_MILLISECONDS);
  }

  /** The server is back, as the event stream shows: now is better than JupyterLab's next turn. */
  private _onServer(): void {
    if (this._isLost && this._store.isConnected && !this._session.isDisposed) {
      window.clearTimeout(this._timer);
      void this._comeBack();
    }
  }

  private async _comeBack(): Promise<void> {
    const exists = await this._exists();
    if (!this._isLost || this._session.isDisposed || exists === null) {
      return;
    }
    if (!exists) {
      this._isNew =
        (await this._request('POST', 'api/terminals', { name: this._session.name })) !== null;
    }
    if (this._isLost && !this._session.isDisposed) {
      this._session.reconnect().catch(() => this._tryAgain());
    }
  }

  /** Whether the server has this terminal; null when it does not say. */
  private async _exists(): Promise<boolean | null> {
    const status = await this._request('GET', `api/terminals/${this._session.name}`);
    return status === null ? null : status !== 404;
  }

  /** Return the status of a request's answer; null for none and for one that says nothing. */
  private async _request(method: string, path: string, body?: object): Promise<number | null> {
    const settings = ServerConnection.makeSettings();
    const init: RequestInit = { method, ...(body && { body: JSON.stringify(body) }) };
    try {
      const { status } = await ServerConnection.makeRequest(
        settings.baseUrl + path,
        init,
        settings
      );
      return status < 300 || status === 404 || status === 409 ? status : null;
    } catch {
      return null;
    }
  }

  private _tryAgain(): void {
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => {
      if (this._isLost && !this._session.isDisposed) {
        this._session.reconnect().catch(() => undefined); // its end is told by the status, too
      }
    }, AGAIN_MILLISECONDS);
  }

  /** A shell that was left closes its tab; one that went down with the server says so. */
  private async _onEnded(): Promise<void> {
    this._clearTimers();
    this._running.release(this);
    const isStopped = this._isLost || isStopping(this._store.status);
    const isServers = isStopped || (await this._exists()) === null;
    if (this._terminal.isDisposed) {
      return;
    }
    if (isServers) {
      const text = this._trans.__('The server was restarted, which ended what ran here.');
      this._notice.show(text, {
        label: this._trans.__('New terminal'),
        onClick: () => void this._replace()
      });
    } else if (this._closesOnExit) {
      this._terminal.dispose();
    }
  }

  private async _replace(): Promise<void> {
    await this._open();
    this._terminal.dispose();
  }

  private _clearTimers(): void {
    window.clearTimeout(this._timer);
    window.clearTimeout(this._noticeTimer);
  }

  private _end(): void {
    this._clearTimers();
    this._running.release(this);
    this._store.changed.disconnect(this._onServer, this);
  }
}
