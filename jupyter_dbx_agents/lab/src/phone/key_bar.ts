/**
 * The keys that a phone's keyboard lacks, in a bar below the terminal.
 *
 * They type into the terminal in front and never take the focus from it: the phone's keyboard stays
 * as it is, open or closed.
 */

import { Notification } from '@jupyterlab/apputils';
import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { xtermOf } from '../screen/xterm';
import { Control } from './control';

interface Key {
  label: string;
  /** What it types: by itself, with Ctrl, and in the keypad's application mode. */
  text: string;
  control?: string;
  application?: string;
  /** What a symbol stands for. */
  name?: string;
}

export class KeyBar extends Widget {
  private _control: Control;

  constructor(
    private _front: () => ITerminal.ITerminal | null,
    private _trans: TranslationBundle
  ) {
    super();
    this.id = 'jp-DbxAgents-key-bar';
    this.addClass('jp-DbxAgents-KeyBar');
    this.node.setAttribute('role', 'toolbar');
    this.node.setAttribute('aria-label', _trans.__('Keys for the terminal'));
    // The focus would move with the mouse's button, which a tap sends as well.
    this.node.addEventListener('mousedown', event => event.preventDefault());
    const control = button('Ctrl', _trans.__('Ctrl, for the next key'));
    this._control = new Control(isOn => control.setAttribute('aria-pressed', String(isOn)));
    control.onclick = () => {
      const terminal = _front();
      if (terminal) {
        this._control.toggle(terminal.session);
      }
    };
    const paste = button(_trans.__('Paste'));
    paste.onclick = () => void this._paste();
    const nodes = keys(_trans).map(key => this._button(key));
    nodes.splice(2, 0, control);
    nodes.splice(6, 0, paste);
    this.node.append(...nodes);
  }

  /** Release Ctrl: it was pressed for the terminal that was in front. */
  releaseControl(): void {
    this._control.release();
  }

  private _button(key: Key): HTMLButtonElement {
    const node = button(key.label, key.name);
    node.onclick = () => void this._type(key);
    return node;
  }

  private async _type({ text, control, application }: Key): Promise<void> {
    const isControl = this._control.take();
    const terminal = this._front();
    if (!terminal) {
      return;
    }
    const xterm = await xtermOf(terminal);
    const plain = xterm?.modes.applicationCursorKeysMode ? (application ?? text) : text;
    const typed = isControl ? (control ?? text) : plain;
    if (xterm) {
      xterm.input(typed); // as the keyboard does: it scrolls down
    } else {
      terminal.session.send({ type: 'stdin', content: [typed] });
    }
  }

  private async _paste(): Promise<void> {
    const terminal = this._front();
    try {
      terminal?.paste(await navigator.clipboard.readText());
    } catch {
      Notification.warning(
        this._trans.__(
          'The browser does not let this page read the clipboard. Long-press the terminal and choose “Paste”.'
        )
      );
    }
  }
}

/** Return the keys in their order in the bar, but Ctrl and Paste. */
function keys(trans: TranslationBundle): Key[] {
  const arrow = (label: string, final: string, name: string): Key => ({
    label,
    name,
    text: `\x1b[${final}`,
    control: `\x1b[1;5${final}`,
    application: `\x1bO${final}`
  });
  return [
    { label: 'Esc', text: '\x1b' },
    { label: 'Tab', text: '\t' },
    arrow('↑', 'A', trans.__('Up')),
    { label: '^C', text: '\x03', name: trans.__('Ctrl+C: interrupt') },
    { label: '⏎', text: '\r', name: trans.__('Enter') },
    { label: '⇧Tab', text: '\x1b[Z', name: trans.__('Shift+Tab') },
    arrow('←', 'D', trans.__('Left')),
    arrow('↓', 'B', trans.__('Down')),
    arrow('→', 'C', trans.__('Right'))
  ];
}

function button(label: string, name = label): HTMLButtonElement {
  const node = document.createElement('button');
  node.type = 'button';
  node.textContent = label;
  node.setAttribute('aria-label', name);
  return node;
}
