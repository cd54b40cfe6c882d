/** The plug-in that adds to each terminal, as soon as it is opened, what this folder has. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { MainAreaWidget } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { type ITerminal, ITerminalTracker } from '@jupyterlab/terminal';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { absolute } from '../server/paths';
import { Settings } from '../settings';
import { IStatusStore } from '../status/store';
import { showHint } from './banner';
import { allowCopy } from './clipboard';
import { Connection } from './connection';
import { takeFiles, takePaths } from './files';
import { acknowledge } from './flow';
import { Line } from './link';
import { RunningPoll } from './running_poll';
import { TabName } from './tab_name';
import { xtermOf } from './xterm';

export const terminals: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:terminals',
  description: 'Terminals that reconnect, take files, copy for programs, and have telling names.',
  autoStart: true,
  requires: [IStatusStore],
  optional: [ITerminalTracker, ISettingRegistry, ITranslator],
  activate: (
    { commands, serviceManager }: JupyterFrontEnd,
    store: IStatusStore,
    terminals: ITerminalTracker | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const settings = new Settings();
    void settings.follow(registry);
    const page: Page = {
      store,
      settings,
      trans: (translator ?? nullTranslator).load('jupyter_dbx_agents'),
      running: new RunningPoll(serviceManager.terminals),
      openAnother: () => commands.execute('terminal:create-new'),
      pathOf: path => absolute(serviceManager.contents.localPath(path))
    };
    terminals?.widgetAdded.connect((_, tab) => void setUp(tab, page));
  }
};

/** What the terminals of this page share. */
interface Page {
  store: IStatusStore;
  settings: Settings;
  trans: TranslationBundle;
  running: RunningPoll;
  openAnother: () => Promise<unknown>;
  pathOf: (contentsPath: string) => string;
}

async function setUp(
  { content, node }: MainAreaWidget<ITerminal.ITerminal>,
  { store, settings, trans, running, openAnother, pathOf }: Page
): Promise<void> {
  const ready = xtermOf(content);
  const line = new Line(content.session);
  acknowledge(content.session, ready);
  new TabName(content, store, () => settings.followProgram);
  takeFiles(content, node, () => settings.uploadPasted, trans);
  takePaths(content, node, pathOf);
  const xterm = await ready;
  if (content.isDisposed) {
    return;
  }
  const connection = new Connection(content, xterm, line, store, trans, node, openAnother, running);
  if (xterm) {
    allowCopy(xterm, () => settings.copyFromPrograms && !connection.isReplaying, trans);
  }
  if (settings.firstHint) {
    settings.hintIsShown();
    await store.known;
    const agents = store.status.agents ?? [];
    const commands = agents.filter(agent => agent.enabled !== false).map(agent => agent.command);
    showHint(node, commands, trans, () => {
      settings.hintWasRead();
      content.activate();
    });
  }
}
