/** The plug-in that adds the panel to the side bar. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { KeptActions } from '../continuity/actions';
import { addContinue, followOffer } from '../continuity/offer';
import { CONTINUE, OPEN_PANEL } from '../status/commands';
import { IStatusStore } from '../status/store';
import { Actions } from './actions';
import { StatusPanel } from './panel';

// What shows the offer to continue: a launcher in front, and the bar of terminals that have ended.
const OFFERS = '.jp-DbxAgents-Launcher:not(.lm-mod-hidden *), #jp-DbxAgents-ended';

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
    const kept = new KeptActions(store, commands, trans);
    const terminals = serviceManager.terminals;
    const panel = new StatusPanel({ store, actions, kept, terminals, trans });
    shell.add(panel, 'left', { rank: 250 });
    restorer?.add(panel, panel.id);
    commands.addCommand(OPEN_PANEL, {
      label: trans.__('Databricks: Show Panel'),
      execute: () => shell.activateById(panel.id)
    });
    addContinue(commands, store, kept, () => shell.activateById(panel.id), trans);
    followOffer(commands, store, kept, () => document.querySelector(OFFERS) !== null, trans);
    for (const command of [OPEN_PANEL, CONTINUE]) {
      palette?.addItem({ command, category: trans.__('Agents') });
    }
  }
};
