/** What the panel's buttons do; a failure is shown in a notification. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { ServiceManager } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { errorText, request } from '../server/requests';
import { ENTER_TOKEN, startCommand } from '../status/commands';
import type {
  Agent,
  AgentSession,
  Forgotten,
  Pat,
  Restorable,
  Restored,
  Status
} from '../status/model';
import { nameOf, sessionIn } from '../status/names';
import type { IStatusStore } from '../status/store';

type AgentChange = { enabled?: boolean; model?: string | null; approvals?: string | null };

export class Actions {
  constructor(
    private _store: IStatusStore,
    private _commands: CommandRegistry,
    private _trans: TranslationBundle
  ) {}

  /** Whether there is a dialog for a token: its plug-in may be switched off. */
  get canEnterToken(): boolean {
    return this._commands.hasCommand(ENTER_TOKEN);
  }

  enterToken(): void {
    void this._commands.execute(ENTER_TOKEN);
  }

  /** Whether there is a command that starts an agent: it is enabled, and so is the launcher. */
  canStart(agent: string): boolean {
    return this._commands.hasCommand(startCommand(agent));
  }

  startAgent(name: string): void {
    void this._commands.execute(startCommand(name));
  }

  openTerminal(name: string): void {
    void this._commands.execute('terminal:open', { name });
  }

  /** End a terminal and what runs in it, after a confirmation if an agent is at work there. */
  endTerminal(name: string, terminals: ServiceManager.IManager['terminals']): void {
    const session = sessionIn(this._store.status, name);
    this._run(async () => {
      const isBusy = session && !['idle', 'done', 'failed'].includes(session.state);
      if (!isBusy || (await this._confirmsEnd(session))) {
        await terminals.shutdown(name);
      }
    });
  }

  private async _confirmsEnd(session: AgentSession): Promise<boolean> {
    const { status } = this._store;
    const { button } = await showDialog({
      title: this._trans.__('End %1?', nameOf(status, session, this._trans)),
      body: this._trans.__('An agent is still active here. Unfinished work will be lost.'),
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: this._trans.__('End') })]
    });
    return button.accept;
  }

  /** Take note that the owner has seen what an agent in the background has done. */
  dismiss({ id, revision }: AgentSession): void {
    this._run(async () => {
      this._store.put(await request<Status>('attention/seen', 'POST', { id, revision }));
    });
  }

  /** Renew the token; return what to say of it, '' of a failure. */
  rotate(): Promise<string> {
    return this._tell(async () => {
      this._store.put({ pat: await request<Pat>('pat/rotate', 'POST') });
      return this._trans.__('Renewed');
    });
  }

  logOut(): void {
    this._run(() => this._store.logOut());
  }

  revokePasted(token_id: string): void {
    this._run(async () =>
      this._store.put({ pat: await request<Pat>('pat/revoke-pasted', 'POST', { token_id }) })
    );
  }

  /**
   * Enable or disable an agent, or choose its model or its approvals; null is as configured.
   *
   * Running sessions keep what they were started with, and the owner is told so.  Return when the
   * status has it, or has not after a failure.
   */
  changeAgent(name: string, change: AgentChange): Promise<void> {
    return this._finish(async () => {
      const path = `agents/${encodeURIComponent(name)}`;
      const agent = await request<Partial<Agent>>(path, 'PATCH', change);
      await this._store.refresh();
      const title = agent.title ?? name;
      if ('model' in change) {
        this._say(this._trans.__('New sessions of %1 use %2.', title, agent.model ?? ''));
      } else if ('approvals' in change) {
        this._say(`${this._trans.__('New sessions of %1:', title)} ${agent.approvals?.text ?? ''}`);
      }
    });
  }

  /** Choose what all agents ask before, for which nothing else is chosen; null is as configured. */
  changeAllApprovals(approvals: string | null): Promise<void> {
    return this._finish(async () => {
      await request('agents', 'PATCH', { approvals });
      await this._store.refresh();
      this._say(this._trans.__('Applies to new sessions only.'));
    });
  }

  private _say(text: string): void {
    Notification.info(text, { autoClose: 5000 });
  }

  install(agent: string): void {
    this._run(async () => {
      await request(`agents/${encodeURIComponent(agent)}/install`, 'POST');
    });
  }

  /** Offer an MCP server to the agents, or not. */
  switchMcp(name: string, enabled: boolean): Promise<void> {
    return this._changeMcp(`/${encodeURIComponent(name)}`, 'PATCH', { enabled });
  }

  checkMcp(name: string): void {
    void this._changeMcp(`/${encodeURIComponent(name)}/check`, 'POST');
  }

  removeMcp(name: string): void {
    void this._changeMcp(`/${encodeURIComponent(name)}`, 'DELETE');
  }

  /** Add an MCP server by a path of the workspace or a URL; call `then` when it is there. */
  addMcp(name: string, address: string, then: () => void): void {
    const server = address.startsWith('/') ? { path: address } : { url: address };
    void this._changeMcp('', 'POST', { name, ...server }, then);
  }

  /** Install the Databricks CLI if it is missing, and fetch the skills again. */
  updateTools(): void {
    this._run(async () => {
      await request('databricks', 'POST');
      await this._store.refresh();
    });
  }

  private _changeMcp(
    path: string,
    method: string,
    body?: object,
    then?: () => void
  ): Promise<void> {
    return this._finish(async () => {
      await request(`mcp${path}`, method, body);
      await this._store.refresh();
      then?.();
    });
  }

  /** Sync a project, all without a name; return what to say of it, '' of a failure. */
  sync(name?: string): Promise<string> {
    return this._tell(async () => {
      const reply = await request<Status>('projects/sync', 'POST', name ? { name } : {});
      await this._store.refresh();
      const isDone = reply.projects?.every(({ state }) => ['synced', 'empty'].includes(state));
      return isDone ? this._trans.__('Up to date') : '';
    });
  }

  /** Restore a project from the workspace, all without a name; call `then` when it is there. */
  restore(name: string | undefined, then: () => void): void {
    this._run(async () => {
      const body = name === undefined ? {} : { name };
      const path = 'projects/restore';
      const { restored } = await request<{ restored?: Restored[] }>(path, 'POST', body);
      for (const one of restored ?? []) {
        Notification.emit(...this._describe(one));
      }
      await this._store.refresh();
      then();
    });
  }

  private _describe(one: Restored): [string, 'error' | 'warning' | 'success', object] {
    const { name, problem, missing = [], has_history } = one;
    if (problem) {
      const text = this._trans.__('“%1” was not restored: %2', name, problem);
      return [text, 'error', { autoClose: false }];
    }
    if (missing.length) {
      const text = this._trans.__('Restored “%1” without %2', name, missing.join(', '));
      return [text, 'warning', { autoClose: false }];
    }
    const text = has_history
      ? this._trans.__('Restored “%1”.', name)
      : this._trans.__('Restored the files of “%1”, without their git history.', name);
    return [text, 'success', { autoClose: 5000 }];
  }

  /** Delete what the workspace has of a project, after a confirmation; then call `then`. */
  forget(name: string, then: () => void): void {
    this._run(async () => {
      const { button, isChecked } = await showDialog({
        title: this._trans.__('Forget “%1”?', name),
        body: this._trans.__('Its git history is deleted in your workspace, for good.'),
        checkbox: {
          label: this._trans.__('Also delete its files in the workspace'),
          checked: false
        },
        buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: this._trans.__('Forget') })]
      });
      if (!button.accept) {
        return;
      }
      const body = { name, files: isChecked === true };
      const { left } = await request<Forgotten>('projects/forget', 'POST', body);
      const text = left
        ? this._trans.__('“%1” was forgotten. Its files stay in %2.', name, left)
        : this._trans.__('“%1” was forgotten.', name);
      Notification.success(text, { autoClose: 5000 });
      await this._store.refresh();
      then();
    });
  }

  /** Call `then` with the projects that are in the workspace and not here. */
  findRestorable(then: (found: Restorable[]) => void): void {
    this._run(async () => {
      const { restorable } = await request<{ restorable?: Restorable[] }>('projects');
      then(restorable ?? []);
    });
  }

  private _run(action: () => Promise<void>): void {
    void this._finish(action);
  }

  private async _finish(action: () => Promise<void>): Promise<void> {
    await this._tell(() => action().then(() => ''));
  }

  private async _tell(action: () => Promise<string>): Promise<string> {
    try {
      return await action();
    } catch (error) {
      Notification.error(errorText(error, this._trans), { autoClose: 10_000 });
      return '';
    }
  }
}
