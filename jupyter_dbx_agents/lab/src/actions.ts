/** What the panel can have the server do; a failure is said in a notification. */

import { Notification } from '@jupyterlab/apputils';
import type { Agent, Pat } from './model';
import { ask, errorText } from './server';
import type { StatusStore } from './store';

export class Actions {
  constructor(
    private _store: StatusStore,
    readonly enterToken: () => void,
    readonly logOutNow: () => Promise<void>,
    readonly startAgent: (name: string) => void,
    readonly openTerminal: (name: string) => void
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

  changeAgent(name: string, change: Partial<Pick<Agent, 'enabled' | 'model'>>): void {
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
      await ask('projects/restore', 'POST', { name });
      await this._store.refresh();
      then();
    });
  }

  /** Ask which projects are in the workspace and not here. */
  findRestorable(then: (names: string[]) => void): void {
    this._run(async () => {
      const { restorable } = await ask<{ restorable?: string[] }>('projects');
      then(restorable ?? []);
    });
  }

  private _run(action: () => Promise<void>): void {
    action().catch(error => Notification.error(errorText(error), { autoClose: 10_000 }));
  }
}
