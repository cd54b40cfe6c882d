/** Agents in the launcher and the command palette, which start in the folder that is open. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import { Notification } from '@jupyterlab/apputils';
import type { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import type { ILauncher } from '@jupyterlab/launcher';
import type { TranslationBundle } from '@jupyterlab/translation';
import { DisposableSet } from '@lumino/disposable';
import type { Widget } from '@lumino/widgets';
import { absolute } from '../server/paths';
import { errorText, requestJupyter } from '../server/requests';
import { startCommand } from '../status/commands';
import { type Agent, installOf, isReady, type Task } from '../status/model';
import type { IStatusStore } from '../status/store';
import { agentIcon } from '../widgets/icons';

/** The parts of JupyterLab that agents are started from, as far as they are there. */
export interface Places {
  launcher: ILauncher | null;
  palette: ICommandPalette | null;
  browser: IDefaultFileBrowser | null;
}

/** Keeps one command, card and palette entry for each enabled agent. */
export class AgentLauncher {
  private _shown = new DisposableSet();
  private _cards = '';

  constructor(
    private _app: JupyterFrontEnd,
    private _store: IStatusStore,
    private _places: Places,
    private _trans: TranslationBundle
  ) {
    _store.changed.connect(this._follow, this);
    this._follow();
  }

  /** Start an agent in a terminal of its own, and return its tab; `cwd` is an absolute folder. */
  async start(name: string, cwd?: string): Promise<Widget | undefined> {
    const agent = this._agents().find(one => one.name === name);
    if (!agent) {
      return undefined;
    }
    if (!isReady(agent)) {
      Notification.warning(this._notReady(agent), { autoClose: 5000 });
      return undefined;
    }
    try {
      return await openTerminal(this._app, {
        shell_command: shellThatStarts(agent.command),
        cwd: cwd ?? this._folder()
      });
    } catch (error) {
      Notification.error(`${agent.title}: ${errorText(error, this._trans)}`, { autoClose: false });
      return undefined;
    }
  }

  private _agents(): Agent[] {
    return (this._store.status.agents ?? []).filter(agent => agent.enabled !== false);
  }

  private _follow(): void {
    // The launcher draws a card when it is added, and not again.
    const cards = this._agents().map(agent => [agent.name, agent.title, isReady(agent)]);
    if (JSON.stringify(cards) !== this._cards) {
      this._cards = JSON.stringify(cards);
      this._shown.dispose();
      this._shown = new DisposableSet();
      this._agents().forEach((agent, rank) => {
        this._show(agent, rank);
      });
    }
  }

  private _show(agent: Agent, rank: number): void {
    const { name, title } = agent;
    const command = startCommand(name);
    const { launcher, palette } = this._places;
    this._shown.add(
      this._app.commands.addCommand(command, {
        label: args => (args.isPalette ? this._trans.__('Start %1', title) : this._label(agent)),
        caption: args => this._caption(title, args.cwd),
        icon: agentIcon(name, title),
        execute: args =>
          this.start(name, typeof args.cwd === 'string' ? this._absolute(args.cwd) : undefined)
      })
    );
    if (launcher) {
      this._shown.add(launcher.add({ command, category: this._trans.__('Agents'), rank }));
    }
    if (palette) {
      const category = this._trans.__('Agents');
      this._shown.add(palette.addItem({ command, category, args: { isPalette: true } }));
    }
  }

  private _label(agent: Agent): string {
    return isReady(agent) ? agent.title : this._trans.__('%1 (not installed yet)', agent.title);
  }

  /** At the browser's root the server chooses the folder. */
  private _caption(title: string, cwd: unknown): string {
    const folder = folderIn(String(cwd ?? this._places.browser?.model.path ?? ''));
    return folder
      ? this._trans.__('Start %1 in %2', title, folder)
      : this._trans.__('Start %1 in the projects folder', title);
  }

  private _notReady(agent: Agent): string {
    const install = installOf(this._store.status, agent.name);
    const what = install
      ? this._progress(install)
      : this._trans.__('Install it from the Databricks agents panel.');
    return `${this._trans.__('%1 is not installed yet.', agent.title)} ${what}`.trim();
  }

  private _progress({ state, progress, message, hint }: Task): string {
    if (state === 'running') {
      const percent = this._trans.__('%1 %', Math.round((progress ?? 0) * 100));
      return this._trans.__('Installing: %1', message || percent);
    }
    return [message, hint].filter(Boolean).join(' ');
  }

  private _folder(): string | undefined {
    return this._absolute(this._places.browser?.model.path ?? '');
  }

  /** Return the browser's folder; undefined at its root, where the server chooses a better one. */
  private _absolute(path: string): string | undefined {
    const folder = folderIn(path);
    return folder ? absolute(folder) : undefined;
  }
}

/** Return a path of the file browser without its drive; '' for the root. */
function folderIn(path: string): string {
  return path.replace(/^[^/:]*:/, '').replace(/^\/+/, '');
}

/**
 * Return the command line of an interactive shell that begins with a command.
 *
 * The command runs at the first prompt, so that it is a job like any other, and the shell remains
 * when it ends.  It is not typed: a prompt for a token may come first.
 */
export function shellThatStarts(command: string): string[] {
  const start = [
    '[ -f ~/.bashrc ] && . ~/.bashrc',
    '_begun=$PROMPT_COMMAND',
    `PROMPT_COMMAND='PROMPT_COMMAND=$_begun; unset _begun; history -s ${command}; ${command}'`
  ];
  return ['bash', '-c', `exec bash --rcfile <(printf '%s\\n' "$@") -i`, 'bash', ...start];
}

/**
 * Start a terminal on the server and open its tab; return that, which then takes a launcher's place.
 *
 * Raises ServerError.
 */
export async function openTerminal(
  app: JupyterFrontEnd,
  body: { shell_command?: string[]; cwd?: string | undefined }
): Promise<Widget> {
  const { name } = await requestJupyter<{ name: string }>('api/terminals', 'POST', body);
  // The terminal runs: show it even if the list of terminals cannot be loaded.
  await app.serviceManager.terminals.refreshRunning().catch(() => undefined);
  return app.commands.execute('terminal:open', { name });
}
