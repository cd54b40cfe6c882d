/** The plug-in that puts agents and projects into the launcher, and agents into the palette. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { IStatusStore } from '../status/store';
import { AgentLauncher } from './agents';
import { showProjects } from './projects';

export const launcher: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:launcher',
  description: 'Starts agents and opens projects from the launcher and the command palette.',
  autoStart: true,
  requires: [IStatusStore],
  optional: [ILauncher, ICommandPalette, IDefaultFileBrowser, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    store: IStatusStore,
    launcher: ILauncher | null,
    palette: ICommandPalette | null,
    browser: IDefaultFileBrowser | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    new AgentLauncher(app, store, { launcher, palette, browser }, trans);
    if (launcher) {
      showProjects(app, store, launcher, trans);
    }
  }
};
