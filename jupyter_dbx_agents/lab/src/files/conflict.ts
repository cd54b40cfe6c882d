/**
 * JupyterLab's question what to do when a file that is edited here has changed on the disk, too: it
 * shows the difference, and the keyboard is on *Cancel*.
 *
 * JupyterLab's own dialog (`_raiseConflict` in `context.ts` of `@jupyterlab/docregistry`, 4.6) has the
 * keyboard on *Overwrite*, so that one more Enter destroys what an agent has written.  It is found by
 * its buttons, and the file by its text, since it offers neither.  This may go when it does.
 */

import { Dialog } from '@jupyterlab/apputils';
import type { DocumentRegistry, IDocumentWidget } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';
import { diffLines } from 'diff';

const ACTIONS = ['overwrite', 'revert'];
const CONTEXT_LINES = 3;
// Enough to decide by; a rewritten file would fill the page.
const MOST_LINES = 200;
const MOST_CHARACTERS = 500_000;

/** Keep the keyboard on *Cancel* in each such dialog, and show the difference. */
export function explainConflicts(
  widgets: () => Iterable<Widget>,
  contents: Contents.IManager,
  trans: TranslationBundle
): void {
  Dialog.tracker.widgetAdded.connect((_, dialog) => {
    const { _buttons: buttons = [] } = dialog as unknown as { _buttons?: Dialog.IButton[] };
    const actions = buttons.flatMap(button => button.actions);
    if (ACTIONS.every(action => actions.includes(action))) {
      void dialog.ready.then(() =>
        dialog.node.querySelector<HTMLElement>('.jp-mod-reject')?.focus()
      );
      void describe(dialog, widgets(), contents, trans);
    }
  });
}

async function describe(
  dialog: Dialog<unknown>,
  widgets: Iterable<Widget>,
  contents: Contents.IManager,
  trans: TranslationBundle
): Promise<void> {
  const body = dialog.node.querySelector('.jp-Dialog-body');
  const context = contextIn(widgets, body?.textContent ?? '');
  if (!body || !context) {
    return;
  }
  const node = document.createElement('div');
  body.append(node);
  try {
    const { content } = await contents.get(context.path, { content: true, type: 'file' });
    const [mine, theirs] = [context.model.toString(), String(content)];
    if (mine.length + theirs.length > MOST_CHARACTERS || context.path.endsWith('.ipynb')) {
      node.textContent = trans.__('The difference is too large to show, or is one of notebooks.');
    } else {
      node.append(heading(trans), difference(mine, theirs, trans));
    }
  } catch {
    node.textContent = trans.__(
      'The version on the disk cannot be read; it may have been deleted.'
    );
  }
}

/** Return the open document whose path a text quotes. */
function contextIn(widgets: Iterable<Widget>, text: string): DocumentRegistry.Context | null {
  for (const widget of widgets) {
    const { context } = widget as unknown as Partial<IDocumentWidget>;
    if (context && text.includes(`"${context.path}"`)) {
      return context;
    }
  }
  return null;
}

function heading(trans: TranslationBundle): HTMLElement {
  const p = document.createElement('p');
  p.textContent = trans.__('− only here, + only on the disk:');
  return p;
}

function difference(mine: string, theirs: string, trans: TranslationBundle): HTMLElement {
  const pre = document.createElement('pre');
  pre.className = 'jp-DbxAgents-diff';
  pre.tabIndex = 0; // scrolled by the keyboard
  pre.setAttribute('aria-label', trans.__('The difference'));
  const lines = changedLines(mine, theirs);
  for (const [sign, text] of lines.slice(0, MOST_LINES)) {
    const line = document.createElement('div');
    line.dataset.sign = sign;
    line.textContent = `${sign} ${text}`;
    pre.append(line);
  }
  if (lines.length > MOST_LINES) {
    pre.append('…');
  }
  return pre;
}

/** Return the lines that differ, with some around them, each after `-`, `+` or a blank. */
export function changedLines(mine: string, theirs: string): [string, string][] {
  const parts = diffLines(mine, theirs);
  return parts.flatMap((part, index): [string, string][] => {
    const lines = part.value.replace(/\n$/, '').split('\n');
    if (part.added || part.removed) {
      const sign = part.added ? '+' : '-';
      return lines.map(line => [sign, line]);
    }
    const before = index === 0 ? [] : lines.slice(0, CONTEXT_LINES);
    const after =
      index === parts.length - 1 ? [] : lines.slice(before.length).slice(-CONTEXT_LINES);
    const isCut = before.length + after.length < lines.length && before.length && after.length;
    return [...before, ...(isCut ? ['…'] : []), ...after].map(line => [' ', line]);
  });
}
