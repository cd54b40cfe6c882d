/** The plug-in that adds the panel to the side bar. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { KeptActions } from '../continuity/actions';
import { offerOnce } from '../continuity/offer';
import { OPEN_PANEL } from '../status/commands';
import { IStatusStore } from '../status/store';
import { Actions } from './actions';
import { StatusPanel } from './panel';

export const panel: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:panel',
  description: 'Shows token, agents, projects, model calls and sessions in the side bar.',
  autoStart: true,
  requires: [IStatusStore],
  optional: [ICommandPalette, ILayoutRestorer, ITranslator],
  activate: (
    { commands, serviceManager, shell }: JupyterFrontEnd,
    store: IStatusStore,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    const actions = new Actions(store, commands, trans);
    const kept = new KeptActions(store, trans);
    const terminals = serviceManager.terminals;
    const panel = new StatusPanel({ store, actions, kept, terminals, trans });
    shell.add(panel, 'left', { rank: 250 });
    restorer?.add(panel, panel.id);
    commands.addCommand(OPEN_PANEL, {
      label: trans.__('Databricks: Show Panel'),
      execute: () => shell.activateById(panel.id)
    });
    offerOnce(store, kept, () => shell.activateById(panel.id), trans);
    palette?.addItem({ command: OPEN_PANEL, category: trans.__('Agents') });
  }
};
