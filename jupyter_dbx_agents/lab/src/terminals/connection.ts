/**
 * What a terminal's tab shows of its connection: a banner while it is lost, and what comes back.
 *
 * JupyterLab itself makes seven attempts, without notice (its issue 4136) and on top of the old
 * screen, and closes the tab when the server was restarted.  Here the screen is cleared before the
 * server's replay, the attempts go on, and a terminal that went down with the server comes back as a
 * new shell in the same tab, below its old output.  The output of a terminal that ended while the
 * user could not see it stays readable.
 */

import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { XTerm } from '../screen/xterm';
import { errorText, isSignedOut } from '../server/requests';
import { onWake } from '../server/wake';
import { isStopping } from '../status/model';
import type { IStatusStore } from '../status/store';
import { Banner } from './banner';
import type { EndedTerminals } from './ended';
import type { TerminalLink } from './link';
import { Reconnector } from './reconnector';
import type { RunningPoll } from './running_poll';

const BANNER_AFTER_MILLISECONDS = 400;

export class Connection {
  private _banner: Banner;
  private _reconnector: Reconnector;
  private _closesOnExit: boolean;
  private _hadServer: boolean;
  private _bannerTimer = 0;
  private _refusal: unknown = null;
  private _restoredAt = Date.now();
  private _stopWakeUps: () => void;

  constructor(
    private _terminal: ITerminal.ITerminal,
    private _xterm: XTerm | null,
    private _link: TerminalLink,
    private _store: IStatusStore,
    private _trans: TranslationBundle,
    host: HTMLElement,
    private _open: () => Promise<unknown>,
    private _running: RunningPoll,
    private _ended: EndedTerminals
  ) {
    this._banner = new Banner(host);
    const end = (): void => _terminal.session.dispose();
    this._reconnector = new Reconnector(_terminal.session, () => _link.serverStart, {
      found: () => {
        this._refusal = null;
        _link.reconnect();
      },
      ended: end,
      refused: error => this._onRefused(error)
    });
    this._closesOnExit = _terminal.getOption('closeOnExit');
    this._takeOverClosing(_terminal);
    this._hadServer = _store.isConnected;
    _link.lost.connect(this._onLost, this);
    _link.restored.connect(this._onRestored, this);
    _link.replaced.connect(end);
    _terminal.session.disposed.connect(() => void this._onEnded());
    _store.changed.connect(this._onServer, this);
    this._stopWakeUps = onWake(() => {
      _link.ping();
      void this._reconnector.tryNow();
    });
    _terminal.disposed.connect(() => this._end());
    if (_link.isLost) {
      this._onLost();
    }
  }

  /**
   * Keep JupyterLab from closing the tab: first find out whether the user has left the shell.
   *
   * `setOption` is replaced since JupyterLab sets all options again with each change of a setting.
   * This may go when its terminal has a way to veto the closing.
   */
  private _takeOverClosing(terminal: ITerminal.ITerminal): void {
    const setOption = terminal.setOption.bind(terminal);
    setOption('closeOnExit', false);
    terminal.setOption = (option, value) => {
      if (option === 'closeOnExit') {
        this._closesOnExit = Boolean(value);
      } else {
        setOption(option, value);
      }
    };
  }

  /** Whether the output of this moment may be a replay. */
  get isReplaying(): boolean {
    return this._link.isLost || Date.now() - this._restoredAt < 1000;
  }

  private _onLost(): void {
    this._refusal = null;
    this._running.hold(this);
    window.clearTimeout(this._bannerTimer);
    this._bannerTimer = window.setTimeout(() => {
      this._bannerTimer = 0;
      this._show();
    }, BANNER_AFTER_MILLISECONDS);
    this._reconnector.start();
  }

  private _onRestored(_: TerminalLink, isSame: boolean): void {
    this._restoredAt = Date.now();
    if (this._xterm) {
      const { rows, cols } = this._xterm;
      this._terminal.session.send({ type: 'set_size', content: [rows, cols] });
      if (isSame) {
        this._xterm.reset(); // a replay of the whole screen follows
      } else {
        this._xterm.write(this._newShellLine(this._xterm));
      }
    }
    this._settle();
    this._banner.hide();
  }

  /** Return what resets the modes of the crashed program and separates its output from the new. */
  private _newShellLine(xterm: XTerm): string {
    const text = this._trans.__('The server restarted; this is a new shell.');
    // Only in the alternate screen: in the normal one it would restore an old cursor position.
    const leave = xterm.buffer.active.type === 'alternate' ? '\x1b[?1049l' : '';
    // A soft reset, which in xterm leaves mouse reporting on: the shell would get it as input.
    return `${leave}\x1b[!p\x1b[?1003;1006l\r\n\x1b[7m ${text}${this._unsent()} \x1b[m\r\n`;
  }

  /** Return a sentence about input that was not sent, since its program is gone; '' without any. */
  private _unsent(): string {
    const count = this._link.queuedCharacters;
    const text = this._trans._n(
      'What you typed meanwhile (%1 character) was not sent.',
      'What you typed meanwhile (%1 characters) was not sent.',
      count
    );
    return count ? ` ${text}` : '';
  }

  /**
   * The event stream shows that the server is back: do not wait for the next attempt; or that it is
   * gone: this connection may be dead as well, without notice.
   */
  private _onServer(): void {
    if (this._store.isConnected !== this._hadServer) {
      this._link.ping();
    }
    if (this._store.isConnected && !this._hadServer) {
      void this._reconnector.tryNow();
    }
    this._hadServer = this._store.isConnected;
    this._show();
  }

  private _onRefused(error: unknown): void {
    this._refusal = error;
    this._show();
  }

  private _show(): void {
    if (this._bannerTimer || !this._link.isLost || this._terminal.session.isDisposed) {
      return; // it may be back in a moment, or is
    }
    if (this._store.isSignedOut || isSignedOut(this._refusal)) {
      const text = this._trans.__(
        'Your sign-in has expired. Your programs keep running. Reload the page to sign in again.'
      );
      this._banner.show(text, {
        label: this._trans.__('Reload'),
        onClick: () => window.location.reload()
      });
    } else {
      const text = this._trans.__(
        'Connection lost. Reconnecting… Keep typing; it is sent when this terminal is back.'
      );
      this._banner.show(`${text} ${this._reason()}`.trim());
    }
  }

  /** Return why the server refuses, if it answers at all. */
  private _reason(): string {
    return this._store.isConnected && this._refusal ? errorText(this._refusal, this._trans) : '';
  }

  /** Close the tab of a shell that the user left; in others, show that they ended. */
  private async _onEnded(): Promise<void> {
    const unsent = this._unsent();
    const { isEndReported } = this._link;
    this._settle();
    const isSameServer = !isStopping(this._store.status) && (await this._isSameServer());
    if (this._terminal.isDisposed) {
      return;
    }
    if (!isSameServer) {
      this._free();
      this._banner.hide();
      this._ended.add(this._terminal, unsent);
    } else if (!isEndReported) {
      this._keep(this._trans.__('This session has ended.') + unsent);
    } else if (this._closesOnExit) {
      this._terminal.dispose();
    }
  }

  /** Without a reply it is most likely gone, unless the reply is a sign-in page. */
  private _isSameServer(): Promise<boolean> {
    return this._reconnector.isSameServer().catch(isSignedOut);
  }

  /**
   * Free the session's name, and keep the output readable.
   *
   * JupyterLab finds a tab by its session's name, which is read-only but free for another terminal
   * now: so it is redefined.  This may go when JupyterLab passes over disposed sessions.
   */
  private _free(): void {
    const { session } = this._terminal;
    Object.defineProperty(session, 'name', { value: `${session.name} (ended)` });
  }

  private _keep(text: string): void {
    this._free();
    this._offerAnother(text);
  }

  private _offerAnother(text: string, problem = ''): void {
    const label = this._trans.__('New terminal');
    const onClick = (): void => void this._openAnother(text);
    this._banner.show(`${text} ${problem}`.trim(), { label, onClick });
  }

  /** Open a new terminal; this tab stays, for its output. */
  private async _openAnother(text: string): Promise<void> {
    try {
      await this._open();
      this._banner.show(text);
    } catch (error) {
      this._offerAnother(text, errorText(error, this._trans));
    }
  }

  private _settle(): void {
    window.clearTimeout(this._bannerTimer);
    this._bannerTimer = 0;
    this._reconnector.stop();
    this._running.release(this);
  }

  private _end(): void {
    this._settle();
    this._stopWakeUps();
    this._store.changed.disconnect(this._onServer, this);
  }
}
