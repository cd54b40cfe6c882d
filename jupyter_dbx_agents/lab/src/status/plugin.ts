/** Three plug-ins: the status, its item in the status bar, and no dialog for a lost connection. */

import {
  IConnectionLost,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { setOpenTimeout } from '../server/timeout_socket';
import { ENTER_TOKEN, OPEN_PANEL } from './commands';
import { CountItem } from './counts';
import { StatusItem } from './item';
import type { Status } from './model';
import { IStatusStore, StatusStore } from './store';

/** Provides the status; all other plug-ins of ours need it. */
export const status: JupyterFrontEndPlugin<IStatusStore> = {
  id: 'jupyter-dbx-agents:status',
  description: 'Provides the status of the server: token, agents, projects and terminals.',
  autoStart: true,
  provides: IStatusStore,
  activate: (app: JupyterFrontEnd) => {
    setOpenTimeout(app.serviceManager.events);
    const store = new StatusStore();
    void app.restored.then(() => store.start());
    return store;
  }
};

export const statusItem: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:status-item',
  description: 'Shows the connection, and what is not committed, in the status bar.',
  autoStart: true,
  requires: [IStatusStore],
  optional: [IStatusBar, ITranslator],
  activate: (
    { commands }: JupyterFrontEnd,
    store: IStatusStore,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    statusBar?.registerStatusItem(statusItem.id, {
      item: new StatusItem(store, trans, () => openDetails(commands)),
      align: 'right',
      rank: 1,
      priority: 1 // in a narrow window, too
    });
    const uncommitted = new CountItem(
      store,
      status => uncommittedText(status, trans),
      trans.__('Files that are not committed. Show the projects.'),
      () => openDetails(commands)
    );
    statusBar?.registerStatusItem(`${statusItem.id}-uncommitted`, {
      item: uncommitted,
      align: 'right',
      rank: 2,
      isActive: () => uncommitted.isActive,
      activeStateChanged: uncommitted.activeChanged
    });
  }
};

function uncommittedText({ projects }: Status, trans: TranslationBundle): string {
  const files = (projects ?? []).reduce((sum, { work }) => sum + (work?.files ?? 0), 0);
  return files ? `▲ ${trans.__('%1 not committed', files)}` : '';
}

/** Show the panel; where that is switched off, the dialog for a token, if one is needed. */
function openDetails(commands: CommandRegistry): void {
  const command = [OPEN_PANEL, ENTER_TOKEN].find(id => commands.hasCommand(id));
  if (command && commands.isEnabled(command)) {
    void commands.execute(command);
  }
}

/**
 * The status bar and each terminal show a lost connection, and stop when it is back: JupyterLab's
 * own dialog would lie over both, and stay.
 */
export const connectionLost: JupyterFrontEndPlugin<IConnectionLost> = {
  id: 'jupyter-dbx-agents:connection-lost',
  description: 'Shows no dialog when the connection is lost.',
  autoStart: true,
  provides: IConnectionLost,
  activate: () => async () => undefined
};
