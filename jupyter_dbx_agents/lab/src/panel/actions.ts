/** What the panel's buttons do; a failure is shown in a notification. */

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { errorText, request } from '../server/requests';
import { ENTER_TOKEN, startCommand } from '../status/commands';
import type { Pat, Restored } from '../status/model';
import type { IStatusStore } from '../status/store';

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

  rotate(): void {
    this._run(async () => this._store.put({ pat: await request<Pat>('pat/rotate', 'POST') }));
  }

  logOut(): void {
    this._run(() => this._store.logOut());
  }

  revokePasted(token_id: string): void {
    this._run(async () =>
      this._store.put({ pat: await request<Pat>('pat/revoke-pasted', 'POST', { token_id }) })
    );
  }

  /** Enable or disable an agent, or choose its model; null is the configured one. */
  changeAgent(name: string, change: { enabled?: boolean; model?: string | null }): void {
    this._run(async () => {
      await request(`agents/${encodeURIComponent(name)}`, 'PATCH', change);
      await this._store.refresh();
    });
  }

  install(agent: string): void {
    this._run(async () => {
      await request(`agents/${encodeURIComponent(agent)}/install`, 'POST');
    });
  }

  sync(name: string): void {
    this._run(async () => {
      await request('projects/sync', 'POST', { name });
      await this._store.refresh();
    });
  }

  /** Restore a project from the workspace; call `then` when it is there. */
  restore(name: string, then: () => void): void {
    this._run(async () => {
      const { restored } = await request<{ restored?: Restored[] }>('projects/restore', 'POST', {
        name
      });
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

  /** Call `then` with the projects that are in the workspace and not here. */
  findRestorable(then: (names: string[]) => void): void {
    this._run(async () => {
      const { restorable } = await request<{ restorable?: string[] }>('projects');
      then(restorable ?? []);
    });
  }

  private _run(action: () => Promise<void>): void {
    action().catch(error =>
      Notification.error(errorText(error, this._trans), { autoClose: 10_000 })
    );
  }
}
