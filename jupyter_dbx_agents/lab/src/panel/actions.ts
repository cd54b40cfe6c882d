/** What the panel can have the server do; a failure is said in a notification. */

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ask, errorText } from '../server/requests';
import type { Pat, Restored } from '../status/model';
import type { StatusStore } from '../status/store';

export class Actions {
  constructor(
    private _store: StatusStore,
    readonly enterToken: () => void,
    readonly logOutNow: () => Promise<void>,
    readonly startAgent: (name: string) => void,
    readonly openTerminal: (name: string) => void,
    private _trans: TranslationBundle
  ) {}

  rotate(): void {
    this._run(async () => this._store.put({ pat: await ask<Pat>('pat/rotate', 'POST') }));
  }

  logOut(): void {
    this._run(this.logOutNow);
  }

  revokePasted(token_id: string): void {
    this._run(async () =>
      this._store.put({ pat: await ask<Pat>('pat/revoke-pasted', 'POST', { token_id }) })
    );
  }

  /** Switch an agent, or choose its model; null is the configured one. */
  changeAgent(name: string, change: { enabled?: boolean; model?: string | null }): void {
    this._run(async () => {
      await ask(`agents/${encodeURIComponent(name)}`, 'PATCH', change);
      await this._store.refresh();
    });
  }

  install(agent: string): void {
    this._run(async () => {
      await ask(`agents/${encodeURIComponent(agent)}/install`, 'POST');
    });
  }

  sync(name: string): void {
    this._run(async () => {
      await ask('projects/sync', 'POST', { name });
      await this._store.refresh();
    });
  }

  /** Bring a project back; `then` is called when it is there. */
  restore(name: string, then: () => void): void {
    this._run(async () => {
      const { restored } = await ask<{ restored?: Restored[] }>('projects/restore', 'POST', {
        name
      });
      for (const one of restored ?? []) {
        Notification.emit(...this._whatCameBack(one));
      }
      await this._store.refresh();
      then();
    });
  }

  private _whatCameBack(one: Restored): [string, 'error' | 'warning' | 'success', object] {
    const { name, problem, missing = [], has_history } = one;
    if (problem) {
      const text = this._trans.__('%1 was not restored: %2', name, problem);
      return [text, 'error', { autoClose: false }];
    }
    if (missing.length) {
      const text = this._trans.__('%1 is back, without %2', name, missing.join(', '));
      return [text, 'warning', { autoClose: false }];
    }
    const text = has_history
      ? this._trans.__('%1 is back.', name)
      : this._trans.__('The files of %1 are back, without their git history.', name);
    return [text, 'success', { autoClose: 5000 }];
  }

  /** Ask which projects are in the workspace and not here. */
  findRestorable(then: (names: string[]) => void): void {
    this._run(async () => {
      const { restorable } = await ask<{ restorable?: string[] }>('projects');
      then(restorable ?? []);
    });
  }

  private _run(action: () => Promise<void>): void {
    action().catch(error =>
      Notification.error(errorText(error, this._trans), { autoClose: 10_000 })
    );
  }
}
