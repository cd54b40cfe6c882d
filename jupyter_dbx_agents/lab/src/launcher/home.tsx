/** All that the launcher shows, in the order in which it is used, and what its clicks do. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification, showErrorMessage, UseSignal } from '@jupyterlab/apputils';
import type { Launcher } from '@jupyterlab/launcher';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import { projectsFolder } from '../server/paths';
import { errorText, request } from '../server/requests';
import { CONTINUE, OPEN_PANEL, startCommand } from '../status/commands';
import type { AgentSession } from '../status/model';
import type { IStatusStore } from '../status/store';
import { askForText } from '../widgets/dialogs';
import { ErrorBoundary } from '../widgets/errors';
import { enabledAgents } from './agents';
import { Before } from './before';
import { foldersOf } from './choices';
import { browsedFolder, browsedPath } from './folders';
import { Others } from './others';
import { browse, Projects } from './projects';
import { Running } from './running';
import { Start } from './start';
import { openShell } from './terminal';

/** What every launcher of this page uses. */
export interface Page {
  app: JupyterFrontEnd;
  store: IStatusStore;
  trans: TranslationBundle;
  /** JupyterLab's own texts. */
  lab: TranslationBundle;
  last: LastFolder;
}

/** The folder that was chosen last on any launcher, and the one that the file browser had then. */
interface LastFolder {
  folder: string;
  offered: string;
}

interface Props extends Page {
  launcher: Launcher;
}

/** The launcher's content, which follows the status and the terminals. */
export function Home(props: Props): React.ReactElement {
  const { runningChanged } = props.app.serviceManager.terminals;
  return (
    <UseSignal signal={props.store.changed}>
      {() => <UseSignal signal={runningChanged}>{() => <Content {...props} />}</UseSignal>}
    </UseSignal>
  );
}

/** What the sections of one launcher are made from. */
interface View extends Props {
  clicks: Clicks;
  folder: string;
  choose: (folder: string) => void;
  /** The server cannot be reached: what it would have to do is not offered. */
  isOffline: boolean;
}

const SECTIONS = { BeforeHere, RunningHere, StartHere, ProjectsHere, OthersHere };

function Content(props: Props): React.ReactElement {
  const { store, launcher, trans } = props;
  const [folder, choose] = useFolder(browsedFolder(launcher.cwd) ?? projectsFolder(), props);
  const isOffline = store.isKnown && !store.isConnected;
  const view = { ...props, clicks: new Clicks(props), folder, choose, isOffline };
  return (
    <div className="jp-Launcher-body jp-DbxAgents-Launcher">
      <div className="jp-DbxAgents-Launcher-content">
        {/* Before its text, since only changes of what is there are announced. */}
        <p role="status" className="jp-DbxAgents-bad">
          {isOffline && trans.__('Offline. Reconnecting… (showing the last known state)')}
        </p>
        {Object.entries(SECTIONS).map(([name, Section]) => (
          <ErrorBoundary key={name} status={store.status} trans={trans}>
            <Section {...view} />
          </ErrorBoundary>
        ))}
      </div>
    </div>
  );
}

function BeforeHere({ app, store, trans, isOffline }: View): React.ReactElement {
  return (
    <Before
      status={store.status}
      isOffline={isOffline}
      trans={trans}
      comeBack={chooses => void app.commands.execute(CONTINUE, { chooses })}
      decline={() => store.put({ offer: null })}
    />
  );
}

function RunningHere({ app, store, trans, clicks }: View): React.ReactElement {
  return (
    <Running
      status={store.status}
      terminals={[...app.serviceManager.terminals.running()].map(({ name }) => name)}
      trans={trans}
      goTo={session => clicks.goTo(session)}
    />
  );
}

function StartHere(view: View): React.ReactElement {
  const { app, store, launcher, trans, clicks, folder, choose, isOffline } = view;
  const offered = [browsedFolder(launcher.cwd), projectsFolder()];
  return (
    <Start
      status={store.status}
      agents={enabledAgents(store)}
      folders={foldersOf(store.status, folder, ...offered)}
      folder={folder}
      hasTerminals={app.commands.hasCommand('terminal:create-new')}
      isOffline={isOffline}
      trans={trans}
      choose={choose}
      createProject={() => clicks.createProject(choose)}
      startAgent={(name, prompt) => clicks.execute(startCommand(name), { folder, prompt })}
      startShell={() => clicks.openShell(folder)}
    />
  );
}

function ProjectsHere({ store, trans, clicks, isOffline }: View): React.ReactElement {
  return (
    <Projects
      status={store.status}
      isOffline={isOffline}
      trans={trans}
      open={folder => clicks.openProject(folder)}
    />
  );
}

function OthersHere(view: View): React.ReactElement {
  const { app, launcher, trans, lab, clicks, folder, isOffline } = view;
  // The file browser's own path has its drive.
  const cwd = folder === browsedFolder(launcher.cwd) ? launcher.cwd : browsedPath(folder);
  return (
    <Others
      items={[...(launcher.model?.items() ?? [])]}
      commands={app.commands}
      cwd={cwd}
      isOffline={isOffline}
      trans={trans}
      lab={lab}
      execute={({ command, args }) => clicks.execute(command, { ...args, cwd })}
    />
  );
}

/** Return the folder that was chosen last, here or in the file browser, and what chooses one. */
function useFolder(offered: string, { store, last }: Page): [string, (folder: string) => void] {
  const [chosen, setChosen] = React.useState(() =>
    // It may have been deleted since.
    foldersOf(store.status, offered, projectsFolder()).includes(last.folder)
      ? { ...last }
      : { folder: offered, offered }
  );
  const folder = chosen.offered === offered ? chosen.folder : offered;
  const choose = (path: string): void => {
    Object.assign(last, { folder: path, offered });
    setChosen({ ...last });
  };
  return [folder, choose];
}

/** What clicks on one launcher do. */
class Clicks {
  constructor(private _props: Props) {}

  /** Execute a command; the tab that it returns takes the launcher's place. */
  execute(command: string, args: ReadonlyPartialJSONObject): void {
    this._run(() => this._props.app.commands.execute(command, args));
  }

  openShell(folder: string): void {
    this._run(() => openShell(this._props.app, folder));
  }

  openProject(folder: string): void {
    this._run(async () => {
      await browse(this._props.app, browsedPath(folder));
      return openShell(this._props.app, folder);
    });
  }

  /** Ask for a name and make a project; call `then` with its folder. */
  createProject(then: (folder: string) => void): void {
    const { store, trans } = this._props;
    const create = async () => {
      const name = await askForText({
        title: trans.__('New project'),
        label: trans.__('Name'),
        okLabel: trans.__('Create')
      });
      if (name) {
        const body = { name };
        const { folder } = await request<{ folder: string }>('projects', 'POST', body);
        then(folder);
        await store.refresh();
      }
    };
    create().catch(error => Notification.error(errorText(error, trans), { autoClose: 10_000 }));
  }

  /** Show a session: a new tab takes the launcher's place; one that is open is brought to the front. */
  goTo({ terminal }: AgentSession): void {
    const { commands } = this._props.app;
    if (terminal === null) {
      void (commands.hasCommand(OPEN_PANEL) && commands.execute(OPEN_PANEL));
      return;
    }
    const open = new Set(this._props.app.shell.widgets('main'));
    this._run(async () => {
      const tab: Widget = await commands.execute('terminal:open', { name: terminal });
      return open.has(tab) ? undefined : tab;
    });
  }

  /** Run what a click asks for, one at a time: a second click on a slow line starts nothing. */
  private _run(action: () => Promise<unknown>): void {
    const { launcher, trans } = this._props;
    if (launcher.pending) {
      return;
    }
    launcher.pending = true;
    action()
      .then(result => this._replaceBy(result))
      .catch(error => showErrorMessage(trans.__('This cannot be opened'), errorText(error, trans)))
      .finally(() => {
        launcher.pending = false;
      });
  }

  private _replaceBy(result: unknown): void {
    const { app, launcher } = this._props;
    const ref = launcher.parent?.id;
    const isTab = result instanceof Widget && [...app.shell.widgets('main')].includes(result);
    if (isTab && ref && !launcher.isDisposed) {
      app.shell.add(result, 'main', { ref });
      launcher.dispose();
    }
  }
}
