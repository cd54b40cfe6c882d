/** The plug-in that makes a start page of the launcher, and puts agents into the palette. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher, Launcher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import * as React from 'react';
import { IStatusStore } from '../status/store';
import { AgentCommands } from './agents';
import { Home, type Page } from './home';

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
    const texts = translator ?? nullTranslator;
    const trans = texts.load('jupyter_dbx_agents');
    new AgentCommands(app, store, { launcher, palette, browser }, trans);
    const last = { folder: '', offered: '' };
    fillLaunchers({ app, store, trans, lab: texts.load('jupyterlab'), last });
  }
};

/**
 * Draw our content in JupyterLab's launchers, of which it has all else: tabs, commands, items.
 *
 * JupyterLab has no place for content other than cards there, and to provide a launcher of one's own
 * means to disable its plug-in for good: who disabled ours would have none.  Where another extension
 * has replaced the launcher, it shows the agents' cards, which are added to it as well.
 */
function fillLaunchers(page: Page): void {
  const prototype = Launcher.prototype as unknown as { render: () => React.ReactElement };
  prototype.render = function (this: Launcher) {
    return React.createElement(Home, { ...page, launcher: this });
  };
}
