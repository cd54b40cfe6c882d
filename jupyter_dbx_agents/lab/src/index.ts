/** The plug-in: every part of JupyterLab is optional, and none is waited for. */

import {
  IConnectionLost,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITerminalTracker } from '@jupyterlab/terminal';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { AgentLauncher } from './launcher/agents';
import { showProjects } from './launcher/projects';
import { Actions } from './panel/actions';
import { StatusPanel } from './panel/panel';
import { absolute } from './server/paths';
import { makeImpatient } from './server/timeout_socket';
import { Settings } from './settings';
import { StatusItem } from './status/item';
import { isNeeded } from './status/model';
import { StatusStore } from './status/store';
import { attach, type Lab } from './terminals/attach';
import { RunningPoll } from './terminals/running_poll';
import { PatFlow } from './token/flow';

const ID = 'jupyter-dbx-agents:plugin';
const OPEN_PANEL = 'dbx-agents:open-panel';
const ENTER_TOKEN = 'dbx-agents:enter-token';

function activate(
  app: JupyterFrontEnd,
  terminals: ITerminalTracker | null,
  statusBar: IStatusBar | null,
  launcher: ILauncher | null,
  palette: ICommandPalette | null,
  browser: IDefaultFileBrowser | null,
  registry: ISettingRegistry | null,
  translator: ITranslator | null,
  restorer: ILayoutRestorer | null
): void {
  const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
  makeImpatient(app.serviceManager.events);
  const store = new StatusStore();
  const settings = new Settings();
  const flow = new PatFlow(
    store,
    trans,
    () => settings.askForToken,
    () => focus(terminals)
  );
  const agents = new AgentLauncher(app, store, { launcher, palette, browser }, trans);
  if (launcher) {
    showProjects(app, store, launcher, trans);
  }
  const panel = addPanel(app, flow, agents, store, trans);
  restorer?.add(panel, panel.id);
  addCommands(app, panel, flow, store, palette, trans);
  statusBar?.registerStatusItem(ID, {
    item: new StatusItem(store, trans, () => void app.commands.execute(OPEN_PANEL)),
    align: 'right',
    rank: 1,
    priority: 1 // in a narrow window, too
  });
  const lab = labFor(app);
  terminals?.widgetAdded.connect((_, tab) => {
    flow.offerIfWanted();
    void attach(tab, lab, store, settings, trans);
  });
  void Promise.all([registry && settings.follow(registry, ID), app.restored]).then(() =>
    store.start()
  );
}

/** Put the panel into the side bar; return it. */
function addPanel(
  { commands, serviceManager, shell }: JupyterFrontEnd,
  flow: PatFlow,
  agents: AgentLauncher,
  store: StatusStore,
  trans: TranslationBundle
): StatusPanel {
  const actions = new Actions(
    store,
    () => void flow.offer(),
    () => flow.logOut(),
    name => void agents.start(name),
    name => void commands.execute('terminal:open', { name }),
    trans
  );
  const panel = new StatusPanel({ store, actions, terminals: serviceManager.terminals, trans });
  shell.add(panel, 'left', { rank: 250 });
  return panel;
}

/** What a terminal's tab needs of JupyterLab. */
function labFor({ commands, serviceManager }: JupyterFrontEnd): Lab {
  return {
    openAnother: () => commands.execute('terminal:create-new'),
    pathOf: path => absolute(serviceManager.contents.localPath(path)),
    running: new RunningPoll(serviceManager.terminals)
  };
}

/** What the palette offers beside the agents. */
function addCommands(
  { commands, shell }: JupyterFrontEnd,
  panel: StatusPanel,
  flow: PatFlow,
  store: StatusStore,
  palette: ICommandPalette | null,
  trans: TranslationBundle
): void {
  commands.addCommand(OPEN_PANEL, {
    label: trans.__('Databricks Agents: Show the Status'),
    execute: () => shell.activateById(panel.id)
  });
  commands.addCommand(ENTER_TOKEN, {
    label: trans.__('Databricks Agents: Paste a Token …'),
    isEnabled: () => isNeeded(store.status),
    execute: () => flow.offer()
  });
  store.changed.connect(() => commands.notifyCommandChanged(ENTER_TOKEN));
  for (const command of [OPEN_PANEL, ENTER_TOKEN]) {
    palette?.addItem({ command, category: trans.__('Agents') });
  }
}

/** Give the keyboard back to the terminal in front, if that is what is in front. */
function focus(terminals: ITerminalTracker | null): void {
  const panel = terminals?.currentWidget;
  if (panel?.isVisible) {
    panel.content.activate();
  }
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Token, status, agents and terminals of jupyter_dbx_agents.',
  autoStart: true,
  optional: [
    ITerminalTracker,
    IStatusBar,
    ILauncher,
    ICommandPalette,
    IDefaultFileBrowser,
    ISettingRegistry,
    ITranslator,
    ILayoutRestorer
  ],
  activate
};

/**
 * A lost connection is said in the status bar and over each terminal, and goes away with its cause:
 * JupyterLab's own dialog would lie over both, and stay when all is well again.
 */
const connectionLost: JupyterFrontEndPlugin<IConnectionLost> = {
  id: 'jupyter-dbx-agents:connection-lost',
  description: 'Says a lost connection without a dialog.',
  autoStart: true,
  provides: IConnectionLost,
  activate: () => async () => undefined
};

export default [plugin, connectionLost];
