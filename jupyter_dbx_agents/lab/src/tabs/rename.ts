/** The command that gives a terminal a name of the owner's: of a tab's menu, a double click, the palette. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { type ICommandPalette, Notification } from '@jupyterlab/apputils';
import type { ITerminalTracker } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { errorText, request } from '../server/requests';
import { RENAME_TERMINAL } from '../status/commands';
import type { Status } from '../status/model';
import { nameIn } from '../status/names';
import type { IStatusStore } from '../status/store';
import { askForText } from '../widgets/dialogs';
import { TERMINAL } from './name';

const MOST_CHARACTERS = 80;
const TAB = `.lm-TabBar-tab[data-${TERMINAL}]`;

/** Add the command to the menu of terminals' tabs, to a double click on them, and to the palette. */
export function addRename(
  app: JupyterFrontEnd,
  store: IStatusStore,
  terminals: ITerminalTracker,
  palette: ICommandPalette | null,
  trans: TranslationBundle
): void {
  const { commands, contextMenu, shell } = app;
  const inFront = (): string | undefined => {
    const tab = terminals.currentWidget;
    return tab && tab === shell.currentWidget ? tab.content.session.name : undefined;
  };
  const pointedAt = (): string | undefined =>
    app.contextMenuHitTest(node => node.matches(TAB))?.getAttribute(`data-${TERMINAL}`) ??
    inFront();
  commands.addCommand(RENAME_TERMINAL, {
    label: trans.__('Rename Terminal…'),
    isEnabled: args => store.isConnected && (args.isTab === true || inFront() !== undefined),
    execute: async args => {
      const terminal = args.isTab ? pointedAt() : inFront();
      if (terminal) {
        await rename(store, terminal, trans);
        terminals.find(({ content }) => content.session.name === terminal)?.content.activate();
      }
    }
  });
  contextMenu.addItem({ command: RENAME_TERMINAL, selector: TAB, rank: 0, args: { isTab: true } });
  palette?.addItem({ command: RENAME_TERMINAL, category: trans.__('Agents') });
  const follow = (): void => commands.notifyCommandChanged(RENAME_TERMINAL);
  store.changed.connect(follow);
  terminals.currentChanged.connect(follow);
  shell.node.addEventListener('dblclick', ({ target }) => {
    const tab = target instanceof Element ? target.closest(TAB) : null;
    const terminal = tab?.getAttribute(`data-${TERMINAL}`);
    if (terminal && store.isConnected) {
      void rename(store, terminal, trans);
    }
  });
}

/** Ask for a name; an empty one restores the automatic one.  A failure is shown in a notification. */
async function rename(
  store: IStatusStore,
  terminal: string,
  trans: TranslationBundle
): Promise<void> {
  const before = nameIn(store.status, terminal, trans);
  const title = await askForText({
    title: trans.__('Rename terminal'),
    label: trans.__('Name (leave empty for the automatic name)'),
    okLabel: trans.__('Rename'),
    value: before,
    mostCharacters: MOST_CHARACTERS
  });
  if (title === null || title === before) {
    return; // it would no longer follow what runs
  }
  try {
    const path = `terminals/${encodeURIComponent(terminal)}`;
    store.put(await request<Status>(path, 'PATCH', { title }));
  } catch (error) {
    Notification.error(errorText(error, trans), { autoClose: 10_000 });
  }
}
