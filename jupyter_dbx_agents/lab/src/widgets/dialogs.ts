/** What JupyterLab's dialogs lack. */

import type { Dialog } from '@jupyterlab/apputils';

/** Name a dialog for screen readers: JupyterLab names only those whose body is a text. */
export function nameDialog(dialog: Dialog<unknown>, title: string): void {
  dialog.node.setAttribute('aria-label', title);
}
