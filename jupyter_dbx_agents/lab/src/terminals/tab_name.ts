/** A terminal's tab is named after the program in front, unless that sets a title itself. */

import { ServerConnection, type Terminal } from '@jupyterlab/services';
import type { Title, Widget } from '@lumino/widgets';

// Looked for after something has happened in the terminal, and not more often than this.
const AFTER_MILLISECONDS = 1500;
const SHELLS = new Set(['bash', 'sh', 'zsh', 'fish', 'dash']);

export class TabName {
  private _timer = 0;
  private _program = '';
  private _ours = '';

  constructor(
    private _session: Terminal.ITerminalConnection,
    private _title: Title<Widget>,
    private _isWanted: () => boolean
  ) {
    _session.messageReceived.connect(() => this._lookSoon());
    _session.disposed.connect(() => window.clearTimeout(this._timer));
  }

  private _lookSoon(): void {
    if (!this._timer && this._isWanted()) {
      this._timer = window.setTimeout(() => {
        this._timer = 0;
        void this._look().catch(() => undefined); // a name is not worth a word
      }, AFTER_MILLISECONDS);
    }
  }

  private async _look(): Promise<void> {
    const settings = ServerConnection.makeSettings();
    const url = `${settings.baseUrl}api/terminals/${this._session.name}`;
    const response = await ServerConnection.makeRequest(url, {}, settings);
    const { foreground: program } = await response.json();
    if (typeof program === 'string' && program !== this._program) {
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
