/** The plug-in that adds the menu Agents, an entry of Help, and the palette's commands. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';
import { Actions } from '../panel/actions';
import {
  ENTER_TOKEN,
  NEXT_NEED,
  OPEN_PANEL,
  RENAME_TERMINAL,
  startCommand
} from '../status/commands';
import { IStatusStore } from '../status/store';
import { addCommands, HELP, LOG_OUT, RENEW, RESTORE, SETTINGS, SYNC_ALL } from './commands';

const RANK = 100; // after JupyterLab's own for documents, before Tabs
// Those below the agents; a line is between the groups.
const GROUPS = [
  [NEXT_NEED, RENAME_TERMINAL, OPEN_PANEL],
  [ENTER_TOKEN, RENEW, LOG_OUT],
  [SYNC_ALL, RESTORE],
  [SETTINGS]
];

export const menu: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:menu',
  description: 'Adds the menu Agents, an entry of Help, and commands of the palette.',
  autoStart: true,
  requires: [IStatusStore],
  optional: [IMainMenu, ICommandPalette, ITranslator],
  activate: (
    { commands, started }: JupyterFrontEnd,
    store: IStatusStore,
    mainMenu: IMainMenu | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    const ids = addCommands(commands, store, new Actions(store, commands, trans), trans);
    for (const command of ids) {
      palette?.addItem({ command, category: trans.__('Agents') });
    }
    if (mainMenu) {
      const agents = createMenu(commands, store, trans);
      mainMenu.addMenu(agents, true, { rank: RANK });
      mainMenu.helpMenu.addGroup([{ command: HELP }], 0);
      // The commands of other plug-ins may come later.
      void started.then(() => store.changed.connect(() => fill(agents, store)));
    }
  }
};

function createMenu(
  commands: CommandRegistry,
  store: IStatusStore,
  trans: TranslationBundle
): Menu {
  const agents = new Menu({ commands });
  agents.id = 'jp-mainmenu-dbx-agents';
  agents.title.label = trans.__('Agents');
  fill(agents, store);
  return agents;
}

/** Fill the menu with what there is now: agents are switched on and off, and plug-ins, too. */
function fill(agents: Menu, { status }: IStatusStore): void {
  const { commands } = agents;
  const starts = (status.agents ?? []).map(({ name }) => startCommand(name));
  const groups = [starts, ...GROUPS]
    .map(ids => ids.filter(id => commands.hasCommand(id)))
    .filter(ids => ids.length);
  const wanted = groups.flatMap((ids, index) => (index ? ['', ...ids] : ids));
  if (wanted.join() === agents.items.map(({ command }) => command).join() || agents.isVisible) {
    return;
  }
  agents.clearItems();
  for (const command of wanted) {
    agents.addItem(itemOf(command, starts));
  }
}

/** Return an item of the menu; '' is a line. */
function itemOf(command: string, starts: string[]): Menu.IItemOptions {
  if (!command) {
    return { type: 'separator' };
  }
  return starts.includes(command) ? { command, args: { isPalette: true } } : { command };
}
