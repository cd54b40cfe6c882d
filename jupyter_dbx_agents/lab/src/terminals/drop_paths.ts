/** Files dragged from JupyterLab's own file browser into a terminal: their paths are typed. */

import type { ITerminal } from '@jupyterlab/terminal';
import { quoted } from '../text';

const CONTENTS = 'application/x-jupyter-icontents';
const WANTED = ['lm-dragenter', 'lm-dragover', 'lm-dragleave', 'lm-drop'];

/** The little of Lumino's drag event that is used here; it is no drag of the browser's. */
interface LabDrag extends Event {
  mimeData: { hasData(kind: string): boolean; getData(kind: string): unknown };
  dropAction: string;
  readonly proposedAction: string;
}

/** Type the paths of what is dropped onto a terminal's `host`; `pathOf` makes them absolute. */
export function takePaths(
  terminal: ITerminal.ITerminal,
  host: HTMLElement,
  pathOf: (contentsPath: string) => string
): void {
  const follow = (event: Event): void => {
    const drag = event as LabDrag;
    if (!drag.mimeData.hasData(CONTENTS)) {
      return;
    }
    // Here and not further up, where the tabs' area would open the file beside the terminal.
    drag.preventDefault();
    drag.stopPropagation();
    drag.dropAction = drag.proposedAction;
    if (drag.type === 'lm-drop') {
      const paths = drag.mimeData.getData(CONTENTS) as string[];
      terminal.paste(paths.map(path => `${quoted(pathOf(path))} `).join(''));
      (terminal as unknown as { activate(): void }).activate();
    }
  };
  for (const kind of WANTED) {
    host.addEventListener(kind, follow, true);
  }
}
