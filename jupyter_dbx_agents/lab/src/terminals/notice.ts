/** A line over a terminal that says what goes on, with a button where there is something to do. */

export class Notice {
  private _node = document.createElement('div');
  private _text = document.createElement('span');

  constructor(private _host: HTMLElement) {
    this._node.className = 'jp-DbxAgents-notice';
    this._node.setAttribute('role', 'status');
    this._node.append(this._text);
  }

  /** Show a text; a button of an earlier one goes. */
  show(text: string, button?: { label: string; onClick: () => void }): void {
    this._node.querySelector('button')?.remove();
    this._text.textContent = text;
    if (button) {
      const node = document.createElement('button');
      node.type = 'button';
      node.textContent = button.label;
      node.onclick = button.onClick;
      this._node.append(node);
    }
    if (!this._node.isConnected) {
      this._host.append(this._node);
    }
  }

  hide(): void {
    this._node.remove();
  }
}
