/** OSC 52: a program puts text into the clipboard.  It can never read it. */

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { fromBase64 } from '../text';
import type { XTerm } from './xterm';

const OSC_52 = 52;
// More than anybody means to copy, less than would stop the page.
const MOST_CHARACTERS = 4 * 1024 * 1024;

/** Let programs copy while `isWanted` says so. */
export function allowCopy(xterm: XTerm, isWanted: () => boolean, trans: TranslationBundle): void {
  xterm.parser.registerOscHandler(OSC_52, data => {
    const text = textOf(data);
    if (text && isWanted()) {
      void copy(text, trans);
    }
    return true;
  });
}

/** Return what a sequence `targets;base64` copies; null for a question or nonsense. */
function textOf(data: string): string | null {
  const encoded = data.slice(data.indexOf(';') + 1);
  return encoded === '?' || encoded.length > MOST_CHARACTERS ? null : fromBase64(encoded);
}

async function copy(text: string, trans: TranslationBundle): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers want a click while the page is not in front.
    Notification.info(trans.__('A program in a terminal wants to copy text.'), {
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
