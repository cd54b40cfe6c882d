/** Names a terminal's tab after its foreground program, unless the program sets a title itself. */

import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { LOGIN, programIn } from '../status/model';
import type { IStatusStore } from '../status/store';

const SHELLS = new Set(['bash', 'sh', 'zsh', 'fish', 'dash']);

export class TabName {
  private _program = '';
  private _ours = '';
  private _last = '';

  constructor(
    private _terminal: ITerminal.ITerminal,
    private _store: IStatusStore,
    private _isEnabled: () => boolean,
    private _trans: TranslationBundle
  ) {
    _store.changed.connect(this._follow, this);
    const stop = () => _store.changed.disconnect(this._follow, this);
    _terminal.title.changed.connect(this._keepName, this);
    _terminal.disposed.connect(stop);
    // The tab may stay, under its last name; another terminal may get the session's.
    _terminal.session.disposed.connect(stop);
    this._follow();
  }

  private _follow(): void {
    const program = programIn(this._store.status, this._terminal.session.name);
    if (program !== this._program && this._isEnabled()) {
      this._name(program);
    }
  }

  /** Programs that end take their title off; the tab keeps a name, also when the server is gone. */
  private _keepName(): void {
    const { title } = this._terminal;
    if (title.label) {
      this._last = title.label;
    } else if (this._last) {
      title.label = this._last;
    }
  }

  private _label(program: string, plain: string): string {
    if (program === LOGIN) {
      return this._trans.__('Sign in');
    }
    return plain || `${program} (${this._terminal.session.name})`;
  }

  private _name(program: string): void {
    const { session, title } = this._terminal;
    const plain = `Terminal ${session.name}`;
    const isShell = SHELLS.has(program);
    const hasOwnTitle = ![this._ours, plain, 'Terminal', ''].includes(title.label);
    this._program = program;
    if (isShell || !hasOwnTitle) {
      this._ours = this._label(program, isShell || !program ? plain : '');
      title.label = this._ours;
    }
  }
}
