/** What a terminal's tab shows beside it: a banner about its state over it, and a hint in the first one. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { type BoxPanel, Widget } from '@lumino/widgets';

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

/** Show what can be done here, above a terminal's output, until the user closes it. */
export function showHint(
  host: BoxPanel,
  commands: string[],
  trans: TranslationBundle,
  onClose: () => void
): void {
  const agents = trans.__(
    'Agents: %1. Type a name here, or click a card in the launcher (+).',
    commands.join(', ')
  );
  const bar = new Bar('note');
  const close = (): void => {
    bar.dispose();
    onClose();
  };
  bar.fill(
    [
      ...(commands.length ? [agents] : []),
      trans.__(
        'Paste or drop files here: they are uploaded to ~/uploads and their paths inserted.'
      ),
      trans.__(
        'What you commit under ~/projects is copied to your workspace. For everything else, click the Databricks item in the status bar.'
      )
    ],
    [{ label: trans.__('Got it'), onClick: close }]
  );
  bar.addClass('jp-DbxAgents-hint');
  host.addWidget(bar);
}

/** Some lines with buttons, as high as they are; it takes room and covers nothing. */
export class Bar extends Widget {
  private _content = document.createElement('div');

  constructor(role: string) {
    super();
    this.addClass('jp-DbxAgents-bar');
    this.node.setAttribute('role', role);
    this.node.append(this._content);
  }

  /** Show these lines and buttons from now on. */
  fill(lines: string[], buttons: { label: string; onClick: () => void }[]): void {
    const text = document.createElement('div');
    text.append(...lines.map(line => element('p', line)));
    const controls = buttons.map(({ label, onClick }) => {
      const button = element('button', label);
      button.type = 'button';
      button.onclick = onClick;
      return button;
    });
    this._content.replaceChildren(text, ...controls);
    this._fit();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this._fit();
  }

  protected override onResize(msg: Widget.ResizeMessage): void {
    super.onResize(msg);
    this._fit();
  }

  /** Lumino's layout asks for the least height in the style, not for the content's. */
  private _fit(): void {
    const height = `${this._content.offsetHeight}px`;
    if (this.isAttached && this.node.style.minHeight !== height) {
      this.node.style.minHeight = height;
      this.parent?.fit();
    }
  }
}

function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  text: string
): HTMLElementTagNameMap[K] {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
}
