/**
 * One bar for all terminals that have ended with the server, instead of one over each.
 *
 * It says that the app is shutting down while it is, that the server has stopped while it has, and
 * that it restarted only when it is back.  The tabs stay, for their output, until they are closed together.
 */

import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { isStopping } from '../status/model';
import type { IStatusStore } from '../status/store';
import { Bar } from './banner';

const ENDED = 'jp-DbxAgents-ended';

export class EndedTerminals {
  private _terminals = new Set<ITerminal.ITerminal>();
  private _unsent = new Set<string>();
  private _bar: Bar | null = null;

  /**
   * `add` puts the bar on the page; `openAnother` opens a terminal; `comeBack` brings back what there
   * was, if the machine has lost it.
   */
  constructor(
    private _store: IStatusStore,
    private _trans: TranslationBundle,
    private _add: (bar: Bar) => void,
    private _openAnother: () => Promise<unknown>,
    private _comeBack: () => Promise<unknown>
  ) {
    _store.changed.connect(() => this._draw());
  }

  /** Take a terminal that has ended with the server; `unsent` says what was not sent to it. */
  add(terminal: ITerminal.ITerminal, unsent: string): void {
    this._terminals.add(terminal);
    this._unsent.add(unsent);
    terminal.title.className += ` ${ENDED}`;
    terminal.disposed.connect(() => {
      this._terminals.delete(terminal);
      this._draw();
    });
    this._draw();
  }

  private _draw(): void {
    const { status, isConnected } = this._store;
    if (!this._terminals.size && !isStopping(status)) {
      this._close();
      return;
    }
    if (!this._bar) {
      this._bar = new Bar('status');
      this._bar.id = 'jp-DbxAgents-ended';
      this._add(this._bar);
    }
    const isBack = isConnected && !isStopping(status);
    const said = isConnected ? status.server?.message : '';
    const text = isBack ? this._restarted() : said || this._stopped();
    this._bar.fill([[text, ...this._unsent].join('')], isBack ? this._buttons() : []);
  }

  private _stopped(): string {
    return this._trans.__('The server has stopped. Waiting for it…');
  }

  private _restarted(): string {
    return this._trans._n(
      'The server restarted, so %1 session ended.',
      'The server restarted, so %1 sessions ended.',
      this._terminals.size
    );
  }

  private _buttons(): { label: string; onClick: () => void }[] {
    const open = (): void => void this._openAnother().catch(() => undefined);
    const closeAll = (): void => {
      for (const terminal of [...this._terminals]) {
        terminal.dispose();
      }
    };
    const back = (): void => void this._comeBack().catch(() => undefined);
    const continues = { label: this._trans.__('Continue where you were'), onClick: back };
    const close = this._trans._n('Close its tab', 'Close their tabs', this._terminals.size);
    return [
      ...(this._store.status.offer ? [continues] : []),
      { label: this._trans.__('New terminal'), onClick: open },
      { label: close, onClick: closeAll }
    ];
  }

  private _close(): void {
    this._bar?.dispose();
    this._bar = null;
    this._unsent.clear();
  }
}
