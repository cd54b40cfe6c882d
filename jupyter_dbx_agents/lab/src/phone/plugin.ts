/** The plug-in for narrow windows: the side bars fold by themselves, and terminals get a bar of keys. */

import {
  ILabShell,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { type ITerminal, ITerminalTracker } from '@jupyterlab/terminal';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { foldSideBars } from './folding';
import { KeyBar } from './key_bar';

// As in `style/phone.css`.
const NARROW = '(max-width: 699.98px)';

export const phone: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:phone',
  description: 'In a narrow window, folds the side bars and shows a bar of keys below a terminal.',
  autoStart: true,
  optional: [ILabShell, ITerminalTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    shell: ILabShell | null,
    terminals: ITerminalTracker | null,
    translator: ITranslator | null
  ) => {
    if (!shell) {
      return; // such as Notebook 7, which has no side bars to fold
    }
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    const narrow = window.matchMedia(NARROW);
    const front = (): ITerminal.ITerminal | null => {
      const tab = terminals?.currentWidget;
      return tab && tab === shell.currentWidget ? tab.content : null;
    };
    void app.restored.then(() => {
      foldSideBars(shell, narrow);
      const bar = new KeyBar(front, trans);
      const follow = (): void => bar.setHidden(!(narrow.matches && front()));
      follow();
      shell.add(bar, 'bottom'); // above the status bar, which is there already
      narrow.addEventListener('change', follow);
      const onFront = (): void => {
        bar.releaseControl();
        follow();
      };
      shell.currentChanged?.connect(onFront);
      terminals?.currentChanged.connect(onFront);
    });
    shrinkForKeyboard();
  }
};

/** Let the page end where a phone's keyboard begins, and not below it; Safari has no such thing. */
function shrinkForKeyboard(): void {
  const viewport = document.querySelector<HTMLMetaElement>('meta[name="viewport"]');
  if (viewport) {
    viewport.content += ',interactive-widget=resizes-content';
  }
}
