/** The plug-in that explains what has changed when a file cannot be saved as it is. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { explainConflicts } from './conflict';

export const files: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:files',
  description: 'Shows the difference when a file has changed on the disk and in the editor.',
  autoStart: true,
  optional: [ITranslator],
  activate: ({ serviceManager, shell }: JupyterFrontEnd, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    explainConflicts(() => shell.widgets('main'), serviceManager.contents, trans);
  }
};
