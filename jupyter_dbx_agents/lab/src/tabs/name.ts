/** Names a terminal's tab, with its agent's icon, as the session is named everywhere. */

import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { terminalIcon } from '@jupyterlab/ui-components';
import { isStopping, programIn } from '../status/model';
import { agentIn, isShell, nameIn } from '../status/names';
import type { IStatusStore } from '../status/store';
import { iconOf } from '../widgets/icons';

// A program may set titles as fast as it writes, and each is shown in many places.
const COALESCED_MILLISECONDS = 100;
const MOST_CHARACTERS = 100;
// Without what reverses the direction of text: it would go on behind the title.
const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Where a tab has the name of its terminal, by which the context menu finds it. */
export const TERMINAL = 'dbx-agents-terminal';

export class TabName {
  private _program = '';
  private _ours = '';
  private _last = '';
  private _given = '';
  private _timer = 0;
  private _terminalName: string;

  constructor(
    private _terminal: ITerminal.ITerminal,
    private _store: IStatusStore,
    private _isEnabled: () => boolean,
    private _trans: TranslationBundle
  ) {
    const { session, title } = _terminal;
    this._terminalName = session.name;
    title.dataset = { ...title.dataset, [TERMINAL]: session.name };
    _store.changed.connect(this._follow, this);
    title.changed.connect(this._onTitle, this);
    _terminal.disposed.connect(this._stop, this);
    // The tab may stay, under its last name; another terminal may get the session's.
    session.disposed.connect(this._stop, this);
    this._follow();
  }

  private _stop(): void {
    const { session, title, disposed } = this._terminal;
    window.clearTimeout(this._timer);
    // Once, since another terminal may have the session's name by the second time.
    disposed.disconnect(this._stop, this);
    session.disposed.disconnect(this._stop, this);
    this._store.changed.disconnect(this._follow, this);
    this._setOwn('');
    const { [TERMINAL]: _, ...others } = title.dataset;
    title.dataset = others;
  }

  private _follow(): void {
    if (isStopping(this._store.status)) {
      return; // what ends with the server keeps its name
    }
    const program = programIn(this._store.status, this._terminalName);
    if (program !== this._program) {
      this._program = program;
      if (isShell(program)) {
        this._setOwn(''); // what the program before it has set
      }
    }
    this._show();
  }

  private _show(): void {
    const { status, isKnown } = this._store;
    const { title } = this._terminal;
    if (!isKnown) {
      return;
    }
    const agent = agentIn(status, this._terminalName);
    title.icon = agent ? iconOf(status, agent) : terminalIcon;
    if (this._isEnabled() || this._isRenamed()) {
      this._ours = nameIn(status, this._terminalName, this._trans);
      title.label = this._ours;
    } else if (this._ours) {
      this._ours = ''; // from here on the tab is JupyterLab's
      title.label = status.titles?.[this._terminalName] || this._plain();
    }
  }

  private _plain(): string {
    return this._trans.__('Terminal %1', this._terminalName);
  }

  /** A program has set a title, or taken it off; the tab keeps a name, also without the server. */
  private _onTitle(): void {
    const { title, session } = this._terminal;
    if (title.label !== this._ours && !session.isDisposed) {
      this._given = title.label;
      this._timer ||= window.setTimeout(() => this._take(), COALESCED_MILLISECONDS);
      title.label = this._ours || title.label;
    }
    title.label ||= this._last;
    this._last = title.label;
  }

  /** Use the last title that was set. */
  private _take(): void {
    this._timer = 0;
    const isOfJupyter = ['', '...', 'Terminal', this._plain()].includes(this._given);
    const own = this._given.replace(CONTROLS, '').trim();
    this._setOwn(isOfJupyter ? '' : [...own].slice(0, MOST_CHARACTERS).join(''));
    this._show();
  }

  private _isRenamed(): boolean {
    const { terminals } = this._store.status;
    return Boolean(terminals?.find(({ name }) => name === this._terminalName)?.title);
  }

  /** Keep the title of a program, for all places; an agent's changes with each of its steps. */
  private _setOwn(own: string): void {
    const { status } = this._store;
    const { [this._terminalName]: before = '', ...titles } = status.titles ?? {};
    const wanted = agentIn(status, this._terminalName) ? '' : own;
    if (wanted !== before) {
      const now = wanted ? { ...titles, [this._terminalName]: wanted } : titles;
      this._store.put({ titles: now });
    }
  }
}
