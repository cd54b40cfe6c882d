/** The plug-in that adds reconnection, uploads, copying and names to each terminal that opens. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IThemeManager, type MainAreaWidget } from '@jupyterlab/apputils';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { type ITerminal, ITerminalTracker } from '@jupyterlab/terminal';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { addCopyKey, allowCopy } from '../screen/clipboard';
import { addLinks } from '../screen/links';
import { reportTheme } from '../screen/theme';
import { meetAgents, xtermOf } from '../screen/xterm';
import { absolute } from '../server/paths';
import { Settings } from '../settings';
import { CONTINUE } from '../status/commands';
import { IStatusStore } from '../status/store';
import { TabName } from '../tabs/name';
import { addRename } from '../tabs/rename';
import { nameRunning } from '../tabs/running';
import { showHint } from './banner';
import { saySessionsRunOn } from './closing';
import { Connection } from './connection';
import { EndedTerminals } from './ended';
import { acceptFiles, acceptPaths } from './files';
import { acknowledge } from './flow';
import { TerminalLink } from './link';
import { RunningPoll } from './running_poll';

export const terminals: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:terminals',
  description: 'Adds reconnection, uploads, copying by programs and names to terminals.',
  autoStart: true,
  requires: [IStatusStore],
  optional: [
    ITerminalTracker,
    ISettingRegistry,
    IThemeManager,
    ICommandPalette,
    IRunningSessionManagers,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    store: IStatusStore,
    terminals: ITerminalTracker | null,
    registry: ISettingRegistry | null,
    themes: IThemeManager | null,
    palette: ICommandPalette | null,
    running: IRunningSessionManagers | null,
    translator: ITranslator | null
  ) => {
    const { commands, serviceManager, shell } = app;
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    const settings = new Settings();
    void settings.follow(registry);
    void app.started.then(() => reportTheme(themes, registry, store));
    const page: Page = {
      app,
      store,
      settings,
      trans,
      running: new RunningPoll(serviceManager.terminals),
      ended: new EndedTerminals(
        store,
        trans,
        bar => shell.add(bar, 'header'),
        () => commands.execute('terminal:create-new'),
        () => commands.execute(CONTINUE)
      ),
      openAnother: () => commands.execute('terminal:create-new'),
      pathOf: path => absolute(serviceManager.contents.localPath(path))
    };
    if (running) {
      nameRunning(running, serviceManager.terminals, store, trans);
    }
    if (terminals) {
      addCopyKey(app, terminals, page.trans);
      addRename(app, store, terminals, palette, trans);
      terminals.widgetAdded.connect((_, tab) => {
        saySessionsRunOn(tab, app, store, trans);
        void enhance(tab, page);
      });
    }
  }
};

/** What the terminals of this page share. */
interface Page {
  ended: EndedTerminals;
  app: JupyterFrontEnd;
  store: IStatusStore;
  settings: Settings;
  trans: TranslationBundle;
  running: RunningPoll;
  openAnother: () => Promise<unknown>;
  pathOf: (contentsPath: string) => string;
}

/** Add everything to a terminal's tab. */
async function enhance(
  { content, contentHeader, node }: MainAreaWidget<ITerminal.ITerminal>,
  { app, store, settings, trans, running, ended, openAnother, pathOf }: Page
): Promise<void> {
  const ready = xtermOf(content);
  void ready.then(xterm => xterm && meetAgents(xterm));
  const link = new TerminalLink(content.session);
  acknowledge(content.session, ready);
  new TabName(content, store, () => settings.followProgram, trans);
  acceptFiles(content, node, () => settings.uploadPasted, trans);
  acceptPaths(content, node, pathOf);
  const xterm = await ready;
  if (content.isDisposed) {
    return;
  }
  const connection = new Connection(
    content,
    xterm,
    link,
    store,
    trans,
    node,
    openAnother,
    running,
    ended
  );
  if (xterm) {
    addLinks(xterm, app, () => content.session.name, trans);
    allowCopy(xterm, () => settings.copyFromPrograms && !connection.isReplaying, trans);
  }
  if (settings.firstHint) {
    settings.markHintShown();
    await store.known;
    const agents = store.status.agents ?? [];
    const commands = agents.filter(agent => agent.enabled !== false).map(agent => agent.command);
    showHint(contentHeader, commands, trans, () => {
      settings.markHintRead();
      content.activate();
    });
  }
}
