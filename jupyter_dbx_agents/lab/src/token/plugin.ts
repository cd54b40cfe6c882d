/** The plug-in that asks for a token, unless `askForToken` is off. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITerminalTracker } from '@jupyterlab/terminal';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Settings } from '../settings';
import { ENTER_TOKEN } from '../status/commands';
import { isNeeded, LOGIN, programIn } from '../status/model';
import { IStatusStore } from '../status/store';
import { PatFlow } from './flow';

export const token: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:token',
  description: 'Asks for a Databricks token in a dialog when one is needed.',
  autoStart: true,
  requires: [IStatusStore],
  optional: [ITerminalTracker, ICommandPalette, ISettingRegistry, ITranslator],
  activate: (
    { commands }: JupyterFrontEnd,
    store: IStatusStore,
    terminals: ITerminalTracker | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    const settings = new Settings();
    const flow = new PatFlow(
      store,
      trans,
      () => settings.askForToken && !asksIn(terminals, store),
      () => focus(terminals)
    );
    commands.addCommand(ENTER_TOKEN, {
      label: trans.__('Databricks: Connect…'),
      isEnabled: () => isNeeded(store.status),
      execute: () => flow.offer()
    });
    store.changed.connect(() => commands.notifyCommandChanged(ENTER_TOKEN));
    palette?.addItem({ command: ENTER_TOKEN, category: trans.__('Agents') });
    void settings.follow(registry).then(() => flow.start());
  }
};

/** Whether one of this page's terminals asks for a token. */
function asksIn(terminals: ITerminalTracker | null, { status }: IStatusStore): boolean {
  return Boolean(
    terminals?.find(({ content }) => programIn(status, content.session.name) === LOGIN)
  );
}

/** Return the focus to the terminal in front, if there is one. */
function focus(terminals: ITerminalTracker | null): void {
  const panel = terminals?.currentWidget;
  if (panel?.isVisible) {
    panel.content.activate();
  }
}
