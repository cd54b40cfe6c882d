/** The commands that start agents, with their entries in the launcher and the command palette. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import { Notification } from '@jupyterlab/apputils';
import type { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import type { ILauncher } from '@jupyterlab/launcher';
import type { TranslationBundle } from '@jupyterlab/translation';
import { DisposableSet } from '@lumino/disposable';
import type { Widget } from '@lumino/widgets';
import { projectsFolder, shown } from '../server/paths';
import { errorText } from '../server/requests';
import { startCommand } from '../status/commands';
import { type Agent, installOf, isReady, type Task } from '../status/model';
import type { IStatusStore } from '../status/store';
import { agentIcon } from '../widgets/icons';
import { browsedFolder } from './folders';
import { openAgent } from './terminal';

/** The parts of JupyterLab that agents are started from, as far as they are there. */
export interface Places {
  launcher: ILauncher | null;
  palette: ICommandPalette | null;
  browser: IDefaultFileBrowser | null;
}

/** What the command of an agent takes; `cwd` is a path of the file browser, `folder` an absolute one. */
interface StartArguments {
  cwd?: string;
  folder?: string;
  prompt?: string;
}

/** Keeps one command, card and palette entry for each enabled agent, in the order of the status. */
export class AgentCommands {
  private _shown = new DisposableSet();
  private _cards = '';
  private _isEnabled = false;
  private _starting = new Set<string>();

  constructor(
    private _app: JupyterFrontEnd,
    private _store: IStatusStore,
    private _places: Places,
    private _trans: TranslationBundle
  ) {
    _store.changed.connect(this._follow, this);
    this._follow();
  }

  /** Start an agent, unless it is being started: the second click of a double click starts nothing. */
  private async _startOnce(name: string, args: StartArguments): Promise<Widget | undefined> {
    if (this._starting.has(name)) {
      return undefined;
    }
    this._starting.add(name);
    try {
      return await this._start(name, args);
    } finally {
      this._starting.delete(name);
    }
  }

  /** Start an agent in a terminal of its own, and return its tab. */
  private async _start(name: string, args: StartArguments): Promise<Widget | undefined> {
    const agent = enabledAgents(this._store).find(one => one.name === name);
    if (!agent) {
      return undefined;
    }
    if (!isReady(agent)) {
      Notification.warning(this._notReady(agent), { autoClose: 5000 });
      return undefined;
    }
    try {
      return await openAgent(this._app, name, this._folder(args), args.prompt ?? '');
    } catch (error) {
      Notification.error(`${agent.title}: ${errorText(error, this._trans)}`, { autoClose: false });
      return undefined;
    }
  }

  private _follow(): void {
    // The palette draws an entry when it is added, and not again.
    const agents = enabledAgents(this._store);
    const cards = JSON.stringify(agents.map(agent => [agent.name, agent.title, isReady(agent)]));
    if (cards !== this._cards) {
      this._cards = cards;
      this._shown.dispose();
      this._shown = new DisposableSet();
      agents.forEach((agent, rank) => {
        this._show(agent, rank);
      });
    }
    this._followConnection(agents);
  }

  /** Enable the commands while there is a server to start anything. */
  private _followConnection(agents: Agent[]): void {
    if (this._isEnabled !== this._store.isConnected) {
      this._isEnabled = this._store.isConnected;
      for (const { name } of agents) {
        this._app.commands.notifyCommandChanged(startCommand(name));
      }
    }
  }

  private _show(agent: Agent, rank: number): void {
    const { name, title } = agent;
    const command = startCommand(name);
    const { launcher, palette } = this._places;
    this._shown.add(
      this._app.commands.addCommand(command, {
        label: args => (args.isPalette ? this._trans.__('Start %1', title) : this._label(agent)),
        caption: args => this._trans.__('Start %1 in %2', title, shown(this._folder(args))),
        icon: agentIcon(name, title),
        isEnabled: () => this._store.isConnected,
        execute: args => this._startOnce(name, args)
      })
    );
    const category = this._trans.__('Agents');
    if (launcher) {
      this._shown.add(launcher.add({ command, category, rank }));
    }
    if (palette) {
      this._shown.add(palette.addItem({ command, category, rank, args: { isPalette: true } }));
    }
  }

  private _label(agent: Agent): string {
    return isReady(agent) ? agent.title : this._trans.__('%1 (not installed yet)', agent.title);
  }

  private _notReady(agent: Agent): string {
    const install = installOf(this._store.status, agent.name);
    const what = install
      ? progressText(install, this._trans)
      : this._trans.__('Install it from the Databricks agents panel.');
    return `${this._trans.__('%1 is not installed yet.', agent.title)} ${what}`.trim();
  }

  /** Return the folder to start in: the given one, the file browser's, or that of all projects. */
  private _folder({ folder, cwd }: StartArguments): string {
    const path = cwd ?? this._places.browser?.model.path ?? '';
    return folder ?? browsedFolder(path) ?? projectsFolder();
  }
}

/** Return the agents that are on, in the one order that all lists have. */
export function enabledAgents({ status }: IStatusStore): Agent[] {
  return (status.agents ?? []).filter(agent => agent.enabled !== false);
}

/** Return how far an installation is, or why it failed. */
export function progressText(task: Task, trans: TranslationBundle): string {
  const { state, progress, message, hint } = task;
  if (state === 'running') {
    const percent = trans.__('%1 %', Math.round((progress ?? 0) * 100));
    return trans.__('Installing: %1', message || percent);
  }
  return [message, hint].filter(Boolean).join(' ');
}
