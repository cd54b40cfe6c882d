/**
 * The clipboard: programs may write to it (OSC 52) and never read it; Ctrl+Shift+C copies what is
 * selected, as in terminals outside of browsers.
 */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { ITerminalTracker } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { fromBase64 } from '../text';
import type { XTerm } from './xterm';

const COPY = 'jupyter-dbx-agents:copy-in-terminal';
const PALETTE = 'apputils:activate-command-palette';
const OSC_52 = 52;
// More than anybody copies on purpose, and too little to freeze the page.
const MOST_CHARACTERS = 4 * 1024 * 1024;

/** Let programs copy while `isAllowed` returns true. */
export function allowCopy(xterm: XTerm, isAllowed: () => boolean, trans: TranslationBundle): void {
  xterm.parser.registerOscHandler(OSC_52, data => {
    const text = textOf(data);
    if (text && isAllowed()) {
      void copy(text, trans);
    }
    return true;
  });
}

/**
 * Copy on Ctrl+Shift+C in a terminal.  JupyterLab's command palette has that key; it keeps it where
 * nothing is selected.  Ctrl+Shift+V is the browser's, and xterm takes what it pastes.
 */
export function addCopyKey(
  { commands }: JupyterFrontEnd,
  terminals: ITerminalTracker,
  trans: TranslationBundle
): void {
  commands.addCommand(COPY, {
    label: trans.__('Copy the Selection of the Terminal'),
    execute: () => {
      const terminal = terminals.currentWidget?.content;
      const text = terminal?.hasSelection() ? terminal.getSelection() : null;
      return text ? copy(text, trans) : commands.execute(PALETTE);
    }
  });
  commands.addKeyBinding({ command: COPY, keys: ['Ctrl Shift C'], selector: '.jp-Terminal' });
}

/** Return the text of a sequence `targets;base64`; null for a query and for invalid base64. */
function textOf(data: string): string | null {
  const encoded = data.slice(data.indexOf(';') + 1);
  return encoded === '?' || encoded.length > MOST_CHARACTERS ? null : fromBase64(encoded);
}

async function copy(text: string, trans: TranslationBundle): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers require a click while the page is not in front.
    Notification.info(trans.__('A program in a terminal wants to copy text to the clipboard.'), {
      autoClose: false,
      actions: [
        {
          label: trans.__('Copy'),
          callback: () => void navigator.clipboard.writeText(text).catch(() => undefined)
        }
      ]
    });
  }
}
