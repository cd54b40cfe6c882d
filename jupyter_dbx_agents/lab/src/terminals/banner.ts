/** A line over a terminal that says what goes on, with a button where there is something to do. */

export class Notice {
  private _node = document.createElement('div');
  private _text = document.createElement('span');
  private _button = document.createElement('button');

  constructor(private _host: HTMLElement) {
    this._node.className = 'jp-DbxAgents-notice';
    this._node.setAttribute('role', 'status');
    this._button.type = 'button';
    this._node.append(this._text, this._button);
  }

  /** Show a text; the button stays one and the same, so that a click on it is one between two texts. */
  show(text: string, button?: { label: string; onClick: () => void }): void {
    if (this._text.textContent !== text) {
      this._text.textContent = text; // and not again, or it is read out again
    }
    this._button.hidden = !button;
    this._button.textContent = button?.label ?? '';
    this._button.onclick = button?.onClick ?? null;
    if (!this._node.isConnected) {
      this._host.append(this._node);
    }
  }

  hide(): void {
    this._node.remove();
  }
}
