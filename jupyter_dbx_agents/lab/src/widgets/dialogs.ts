/** What JupyterLab's dialogs lack. */

import { Dialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

/** Name a dialog for screen readers: JupyterLab names only those whose body is a text. */
export function nameDialog(dialog: Dialog<unknown>, title: string): void {
  dialog.node.setAttribute('aria-label', title);
}

/** What a dialog for a text says; `value` is what its field has at first. */
interface TextQuestion {
  title: string;
  label: string;
  okLabel: string;
  value?: string;
  mostCharacters?: number;
}

/** Ask for a text in a dialog with a name, which JupyterLab's own has not; null if it is cancelled. */
export async function askForText(question: TextQuestion): Promise<string | null> {
  const { title, okLabel } = question;
  const dialog = new Dialog({
    title,
    body: new TextField(question),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: okLabel })],
    focusNodeSelector: 'input'
  });
  nameDialog(dialog, title);
  void dialog.ready.then(() => dialog.node.querySelector('input')?.select());
  const { button, value } = await dialog.launch();
  return button.accept ? (value ?? '') : null;
}

class TextField extends Widget {
  private _input = document.createElement('input');

  constructor({ label, value = '', mostCharacters }: TextQuestion) {
    super({ node: document.createElement('label') });
    this._input.value = value;
    this._input.className = 'jp-mod-styled';
    if (mostCharacters) {
      this._input.maxLength = mostCharacters;
    }
    this.node.append(label, this._input);
  }

  getValue(): string {
    return this._input.value.trim();
  }
}
