/** What is shown over a terminal: a banner about its state, and a hint in the first one. */

import type { TranslationBundle } from '@jupyterlab/translation';

/** A line over a terminal, with a button if there is something to do. */
export class Banner {
  private _node = document.createElement('div');
  private _text = document.createElement('span');
  private _button = document.createElement('button');

  constructor(private _host: HTMLElement) {
    this._node.className = 'jp-DbxAgents-banner';
    this._node.setAttribute('role', 'status');
    this._button.type = 'button';
    this._node.append(this._text, this._button);
  }

  /** Show a text; the button element stays, so that a click is not lost when the text changes. */
  show(text: string, button?: { label: string; onClick: () => void }): void {
    if (this._text.textContent !== text) {
      this._text.textContent = text; // only then, or screen readers repeat it
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

/** Show what can be done here over a terminal until the user closes it. */
export function showHint(
  host: HTMLElement,
  commands: string[],
  trans: TranslationBundle,
  onClose: () => void
): void {
  const node = document.createElement('div');
  node.className = 'jp-DbxAgents-hint';
  node.setAttribute('role', 'note');
  const agents = trans.__(
    'Agents: %1. Type a name here, or click a card in the launcher (+).',
    commands.join(', ')
  );
  const lines = [
    ...(commands.length ? [agents] : []),
    trans.__('Paste or drop files here: they are uploaded and their paths inserted.'),
    trans.__(
      'What you commit under ~/projects is copied to your workspace. For everything else, click the Databricks item in the status bar.'
    )
  ];
  node.append(
    ...lines.map(line => {
      const p = document.createElement('p');
      p.textContent = line;
      return p;
    })
  );
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = trans.__('Got it');
  button.onclick = () => {
    node.remove();
    onClose();
  };
  node.append(button);
  host.append(node);
}
