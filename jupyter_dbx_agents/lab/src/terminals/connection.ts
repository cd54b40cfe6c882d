/**
 * What the user is told of a terminal's connection: a visible word when it is lost, and the way back.
 *
 * JupyterLab itself tries again seven times, without a word (its issue 4136) and on top of the old
 * screen, and closes the tab when the server has been restarted.  Here the screen is cleared before
 * the server's replay, the trying goes on, and a terminal that went down with the server comes back
 * as a new shell in the same tab, below what was there.  What has ended without the user's seeing it
 * stays readable.
 */

import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { errorText, isSignedOut } from '../server/requests';
import { onWake } from '../server/wake';
import { isStopping } from '../status/model';
import type { IStatusStore } from '../status/store';
import { Notice } from './banner';
import type { Line } from './link';
import { WayBack } from './reconnector';
import type { RunningPoll } from './running_poll';
import type { XTerm } from './xterm';

const NOTICE_AFTER_MILLISECONDS = 400;

export class Connection {
  private _notice: Notice;
  private _wayBack: WayBack;
  private _closesOnExit: boolean;
  private _hadServer: boolean;
  private _noticeTimer = 0;
  private _refusal: unknown = null;
  private _mendedAt = Date.now();
  private _sleepSoundly: () => void;

  constructor(
    private _terminal: ITerminal.ITerminal,
    private _xterm: XTerm | null,
    private _line: Line,
    private _store: IStatusStore,
    private _trans: TranslationBundle,
    host: HTMLElement,
    private _open: () => Promise<unknown>,
    private _running: RunningPoll
  ) {
    this._notice = new Notice(host);
    const end = (): void => _terminal.session.dispose();
    this._wayBack = new WayBack(_terminal.session, () => _line.serverStart, {
      found: () => {
        this._refusal = null;
        _line.reconnect();
      },
      ended: end,
      refused: error => this._onRefused(error)
    });
    this._closesOnExit = _terminal.getOption('closeOnExit');
    this._takeOverClosing(_terminal);
    this._hadServer = _store.isConnected;
    _line.cut.connect(this._onCut, this);
    _line.mended.connect(this._onMended, this);
    _line.replaced.connect(end);
    _terminal.session.disposed.connect(() => void this._onEnded());
    _store.changed.connect(this._onServer, this);
    this._sleepSoundly = onWake(() => {
      _line.ask();
      void this._wayBack.look();
    });
    _terminal.disposed.connect(() => this._end());
    if (_line.isCut) {
      this._onCut();
    }
  }

  /** Whether an end is the user's or the server's is asked first; settings come again and again. */
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

  /** Whether what comes now may be a replay and not the program's word of this moment. */
  get isReplaying(): boolean {
    return this._line.isCut || Date.now() - this._mendedAt < 1000;
  }

  private _onCut(): void {
    this._refusal = null;
    this._running.hold(this);
    window.clearTimeout(this._noticeTimer);
    this._noticeTimer = window.setTimeout(() => {
      this._noticeTimer = 0;
      this._tell();
    }, NOTICE_AFTER_MILLISECONDS);
    this._wayBack.start();
  }

  private _onMended(_: Line, isSame: boolean): void {
    this._mendedAt = Date.now();
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
    this._notice.hide();
  }

  /** Leave the modes of what has crashed, and draw a line below what it has shown. */
  private _newShellLine(xterm: XTerm): string {
    const text = this._trans.__('The server was restarted; this is a new shell.');
    // Only from the other screen: on this one it would put the cursor where it was long ago.
    const leave = xterm.buffer.active.type === 'alternate' ? '\x1b[?1049l' : '';
    // A soft reset, which in xterm leaves the mouse to whoever had it: the shell would be typed at.
    return `${leave}\x1b[!p\x1b[?1003;1006l\r\n\x1b[7m ${text}${this._unsent()} \x1b[m\r\n`;
  }

  /** Say that what was meant for a program that is gone was kept from what came after it. */
  private _unsent(): string {
    const count = this._line.waitingCharacters;
    const text = this._trans._n(
      'What you typed meanwhile (%1 character) was not sent.',
      'What you typed meanwhile (%1 characters) was not sent.',
      count
    );
    return count ? ` ${text}` : '';
  }

  /** The server is back, as the event stream shows: now is better than the next turn. */
  private _onServer(): void {
    if (this._store.isConnected && !this._hadServer) {
      this._line.ask(); // what cut the one may have ended the other without a word
      void this._wayBack.look();
    }
    this._hadServer = this._store.isConnected;
    this._tell();
  }

  private _onRefused(error: unknown): void {
    this._refusal = error;
    this._tell();
  }

  private _tell(): void {
    if (this._noticeTimer || !this._line.isCut || this._terminal.session.isDisposed) {
      return; // the next moment may mend it, or has
    }
    if (this._store.isSignedOut || isSignedOut(this._refusal)) {
      const text = this._trans.__(
        'Your sign-in has ended. What runs here goes on; reload the page to sign in again.'
      );
      this._notice.show(text, {
        label: this._trans.__('Reload'),
        onClick: () => window.location.reload()
      });
    } else {
      const text = this._trans.__(
        'Reconnecting … What you type is kept, and sent if this terminal is still there.'
      );
      this._notice.show(`${text} ${this._reason()}`.trim());
    }
  }

  /** What the server, if it answers at all, has against it. */
  private _reason(): string {
    return this._store.isConnected && this._refusal ? errorText(this._refusal, this._trans) : '';
  }

  /** A shell that was left closes its tab; what has ended otherwise says so. */
  private async _onEnded(): Promise<void> {
    const unsent = this._unsent();
    const { wasToldOfEnd } = this._line;
    this._settle();
    const isSameServer = !isStopping(this._store.status) && (await this._isSameServer());
    if (this._terminal.isDisposed) {
      return;
    }
    if (!isSameServer) {
      const text = this._trans.__('The server was restarted, which ended what ran here.');
      this._keep(text + unsent);
    } else if (!wasToldOfEnd) {
      this._keep(this._trans.__('What ran here has ended.') + unsent);
    } else if (this._closesOnExit) {
      this._terminal.dispose();
    }
  }

  /** Without an answer it is likely gone; unless only a sign-in is wanted before. */
  private _isSameServer(): Promise<boolean> {
    return this._wayBack.isSameServer().catch(isSignedOut);
  }

  /** Leave what was shown to be read; JupyterLab finds a tab by the name, which is free now. */
  private _keep(text: string): void {
    const { session } = this._terminal;
    Object.defineProperty(session, 'name', { value: `${session.name} (ended)` });
    this._offerAnother(text);
  }

  private _offerAnother(text: string, problem = ''): void {
    const label = this._trans.__('New terminal');
    const onClick = (): void => void this._openAnother(text);
    this._notice.show(`${text} ${problem}`.trim(), { label, onClick });
  }

  /** This tab stays, for what is in it. */
  private async _openAnother(text: string): Promise<void> {
    try {
      await this._open();
      this._notice.show(text);
    } catch (error) {
      this._offerAnother(text, errorText(error, this._trans));
    }
  }

  private _settle(): void {
    window.clearTimeout(this._noticeTimer);
    this._noticeTimer = 0;
    this._wayBack.stop();
    this._running.release(this);
  }

  private _end(): void {
    this._settle();
    this._sleepSoundly();
    this._store.changed.disconnect(this._onServer, this);
  }
}
