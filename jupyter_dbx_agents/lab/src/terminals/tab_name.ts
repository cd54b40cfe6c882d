/** A terminal's tab is named after the program in front, unless that sets a title itself. */

import type { Terminal } from '@jupyterlab/services';
import type { Title, Widget } from '@lumino/widgets';
import { programIn } from '../model';
import type { StatusStore } from '../store';

const SHELLS = new Set(['bash', 'sh', 'zsh', 'fish', 'dash']);

export class TabName {
  private _program = '';
  private _ours = '';

  constructor(
    private _session: Terminal.ITerminalConnection,
    private _title: Title<Widget>,
    private _store: StatusStore,
    private _isWanted: () => boolean
  ) {
    _store.changed.connect(this._follow, this);
    _session.disposed.connect(() => _store.changed.disconnect(this._follow, this));
    this._follow();
  }

  private _follow(): void {
    const program = programIn(this._store.status, this._session.name);
    if (program !== this._program && this._isWanted()) {
      this._name(program);
    }
  }

  private _name(program: string): void {
    const plain = `Terminal ${this._session.name}`;
    const isShell = SHELLS.has(program);
    const hasOwnTitle = ![this._ours, plain, 'Terminal', ''].includes(this._title.label);
    this._program = program;
    if (isShell || !hasOwnTitle) {
      this._ours = isShell || !program ? plain : `${program} (${this._session.name})`;
      this._title.label = this._ours;
    }
  }
}
