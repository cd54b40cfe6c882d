/** The commands that do what the panel's buttons do, for the menu and the palette. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { Actions } from '../panel/actions';
import { isUsable } from '../status/model';
import type { IStatusStore } from '../status/store';
import { showHelp } from './help';

export const RENEW = 'dbx-agents:renew-token';
export const LOG_OUT = 'dbx-agents:log-out';
export const SYNC_ALL = 'dbx-agents:sync-all';
export const RESTORE = 'dbx-agents:restore-projects';
export const SETTINGS = 'dbx-agents:settings';
export const HELP = 'dbx-agents:help';

const SETTING_EDITOR = 'settingeditor:open';

/** Add the commands; return their ids. */
export function addCommands(
  commands: CommandRegistry,
  store: IStatusStore,
  actions: Actions,
  trans: TranslationBundle
): string[] {
  const hasToken = (): boolean => store.isConnected && isUsable(store.status.pat);
  const added: Record<string, CommandRegistry.ICommandOptions> = {
    [RENEW]: {
      label: trans.__('Databricks: Renew Token'),
      isEnabled: hasToken,
      execute: async () => say(await actions.rotate())
    },
    [LOG_OUT]: {
      label: trans.__('Databricks: Log Out'),
      isEnabled: () => hasToken() || (store.isConnected && store.status.pat?.is_signed_in === true),
      execute: () => actions.logOut()
    },
    [SYNC_ALL]: {
      label: trans.__('Sync All Projects'),
      isEnabled: () => hasToken() && Boolean(store.status.projects?.length),
      execute: async () => say(await actions.sync())
    },
    [RESTORE]: {
      label: trans.__('Restore Projects from the Workspace…'),
      isEnabled: hasToken,
      execute: () => offerRestore(actions, trans)
    },
    [SETTINGS]: {
      label: trans.__('Databricks Agents Settings'),
      isVisible: () => commands.hasCommand(SETTING_EDITOR),
      execute: () => commands.execute(SETTING_EDITOR, { query: 'Databricks agents' })
    },
    [HELP]: {
      label: trans.__('Databricks Agents'),
      execute: () => showHelp(store.status, trans)
    }
  };
  for (const [id, options] of Object.entries(added)) {
    commands.addCommand(id, options);
  }
  store.changed.connect(() => {
    for (const id of Object.keys(added)) {
      commands.notifyCommandChanged(id);
    }
  });
  return Object.keys(added);
}

/** Say what an action has done, where no button is that could. */
function say(text: string): void {
  if (text) {
    Notification.success(text, { autoClose: 4000 });
  }
}

/** Ask whether to restore what is only in the workspace, by its names. */
function offerRestore(actions: Actions, trans: TranslationBundle): void {
  actions.findRestorable(found => {
    if (!found.length) {
      say(trans.__('Every project in your workspace is already here.'));
      return;
    }
    void showDialog({
      title: trans._n('Restore %1 project?', 'Restore %1 projects?', found.length),
      body: trans.__('Only in your workspace: %1', found.map(({ name }) => name).join(', ')),
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Restore') })]
    }).then(({ button }) => {
      if (button.accept) {
        actions.restore(undefined, () => undefined);
      }
    });
  });
}
