/** Recent projects in the launcher: a card opens the folder, and a terminal in it. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { ILauncher } from '@jupyterlab/launcher';
import type { TranslationBundle } from '@jupyterlab/translation';
import { folderIcon } from '@jupyterlab/ui-components';
import { DisposableSet } from '@lumino/disposable';
import type { Widget } from '@lumino/widgets';
import { browsable } from '../server/paths';
import { errorText } from '../server/requests';
import { type Project, recentProjects } from '../status/model';
import type { IStatusStore } from '../status/store';
import { openTerminal } from './agents';

const COMMAND = 'dbx-agents:open-project';

/** Keep a card for each of the latest projects. */
export function showProjects(
  app: JupyterFrontEnd,
  store: IStatusStore,
  launcher: ILauncher,
  trans: TranslationBundle
): void {
  let shown = new DisposableSet();
  let names = '';
  app.commands.addCommand(COMMAND, {
    label: args => String(args.name ?? trans.__('Open Project')),
    caption: args => trans.__('Open %1, with a terminal', String(args.name)),
    icon: folderIcon,
    execute: args =>
      open(app, String(args.folder)).catch(e => Notification.error(errorText(e, trans)))
  });
  store.changed.connect(() => {
    const projects = recentProjects(store.status);
    if (JSON.stringify(projects.map(project => project.folder)) === names) {
      return;
    }
    names = JSON.stringify(projects.map(project => project.folder));
    shown.dispose();
    shown = new DisposableSet();
    for (const [rank, { name, folder }] of projects.entries()) {
      const card = {
        command: COMMAND,
        args: { name, folder: folder ?? '' },
        category: trans.__('Projects'),
        rank
      };
      shown.add(launcher.add(card));
    }
  });
}

async function open(app: JupyterFrontEnd, folder: NonNullable<Project['folder']>): Promise<Widget> {
  const path = browsable(folder);
  if (path !== null) {
    await app.commands.execute('filebrowser:open-path', { path });
  }
  return openTerminal(app, { cwd: folder });
}
