/** Says, when the tab of an agent is closed, that the agent runs on: the tab is only its window. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { type MainAreaWidget, Notification } from '@jupyterlab/apputils';
import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { MessageLoop } from '@lumino/messaging';
import { agentIn, nameIn } from '../status/names';
import type { IStatusStore } from '../status/store';

const SHOWN_MILLISECONDS = 10_000;

/** Follow one tab. */
export function saySessionsRunOn(
  tab: MainAreaWidget<ITerminal.ITerminal>,
  app: JupyterFrontEnd,
  store: IStatusStore,
  trans: TranslationBundle
): void {
  MessageLoop.installMessageHook(tab, (_, { type }) => {
    const { session } = tab.content;
    if (type === 'close-request' && !session.isDisposed && agentIn(store.status, session.name)) {
      const title = nameIn(store.status, session.name, trans);
      void sayIfRunning(session.name, title, app, trans);
    }
    return true;
  });
}

/** It may have ended, or a setting of JupyterLab may end it with its tab. */
async function sayIfRunning(
  name: string,
  title: string,
  { commands, serviceManager: { terminals } }: JupyterFrontEnd,
  trans: TranslationBundle
): Promise<void> {
  await terminals.refreshRunning().catch(() => undefined);
  if (![...terminals.running()].some(terminal => terminal.name === name)) {
    return;
  }
  Notification.info(trans.__('%1 is still running.', title), {
    autoClose: SHOWN_MILLISECONDS,
    actions: [
      { label: trans.__('Show'), callback: () => void commands.execute('terminal:open', { name }) },
      { label: trans.__('End'), callback: () => void terminals.shutdown(name) }
    ]
  });
}
