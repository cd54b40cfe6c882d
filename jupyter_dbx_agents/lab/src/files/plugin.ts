/** The plug-in for files that agents change while they are open. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { IStatusStore } from '../status/store';
import { explainConflicts } from './conflict';
import { followAfterLoss } from './follow';

export const files: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:files',
  description:
    'Shows the difference when a file has changed on the disk and in the editor, and reloads files after a lost connection.',
  autoStart: true,
  optional: [IStatusStore, ITranslator],
  activate: (app: JupyterFrontEnd, store: IStatusStore | null, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    const { serviceManager, shell } = app;
    explainConflicts(() => shell.widgets('main'), serviceManager.contents, trans);
    void app.started.then(() => followAfterLoss(app, store));
  }
};
