/**
 * When the dialog for signing in or a token opens and closes.
 *
 * It opens by itself when the server begins to need a token, once: who has closed it, or has logged
 * out on purpose, opens it when they want to.  It does not open beside a terminal that asks for the
 * same, nor when such a prompt has refused what was pasted.  It closes by itself when the user has
 * connected elsewhere: in another tab, at a terminal's prompt, or by a sign-in that comes back to the
 * app.
 */

import { Dialog, Notification, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';
import * as React from 'react';
import { errorText, request } from '../server/requests';
import { isNeeded, isStopping, isUsable, type Pasted, type Pat } from '../status/model';
import type { IStatusStore } from '../status/store';
import { Candidates } from './candidates';
import { type Pasted as Entered, PatDialog } from './dialog';

export class PatFlow {
  private _dialog: PatDialog | null = null;
  private _wasNeeded: boolean | null = null; // null until the first status
  private _isAdopting = false;

  /**
   * `isEnabled` says whether the dialog may open by itself; `returnFocus` is called when a dialog has
   * closed.
   */
  constructor(
    private _store: IStatusStore,
    private _trans: TranslationBundle,
    private _isEnabled: () => boolean,
    private _returnFocus: () => void
  ) {}

  /** Offer the dialog from now on. */
  start(): void {
    this._store.changed.connect(this._follow, this);
    this._follow();
  }

  /** Open the dialog if a token is needed and it is not open; resolves when it has closed. */
  async offer(): Promise<void> {
    const { pat } = this._store.status;
    if (this._dialog || !pat || !isNeeded(this._store.status)) {
      return;
    }
    this._dialog = new PatDialog(pat, pasted => this._connect(pasted), this._trans);
    try {
      await this._dialog.launch();
    } finally {
      this._dialog = null;
      this._returnFocus();
    }
    await this._offerCandidates();
  }

  /** An event reports the new token before the reply says whether the pasted one was revoked. */
  private async _connect(pasted: Entered): Promise<void> {
    const path = 'token' in pasted ? 'pat' : 'pat/sign-in/answer';
    this._isAdopting = true;
    try {
      this._store.put({ pat: await request<Pat>(path, 'POST', pasted) });
    } finally {
      this._isAdopting = false;
      this._follow(); // a token may have been entered elsewhere meanwhile
    }
  }

  private _follow(): void {
    const { pat } = this._store.status;
    if (!pat || pat.state === 'adopting' || isStopping(this._store.status)) {
      return; // what comes of it may be that a token is needed as before; nobody can take one
    }
    const needed = isNeeded(this._store.status);
    const isOnPurpose = pat.is_logged_out === true && this._wasNeeded !== null;
    if (needed && !this._wasNeeded && !isOnPurpose && this._isEnabled()) {
      void this.offer();
    }
    if (isUsable(pat) && !needed && !this._isAdopting) {
      this._dialog?.reject();
    }
    this._wasNeeded = needed;
  }

  private async _offerCandidates(): Promise<void> {
    const pasted = this._store.status.pat?.pasted;
    if (pasted?.state !== 'kept' || !pasted.candidates?.length) {
      return;
    }
    const dialog: Dialog<unknown> = new Dialog({
      title: this._trans.__('Which token did you paste?'),
      body: this._candidates(pasted, () => dialog.resolve(0)),
      buttons: [Dialog.cancelButton({ label: this._trans.__('Keep it') })]
    });
    await dialog.launch();
    this._returnFocus();
  }

  private _candidates(pasted: Pasted, done: () => void): Widget {
    const revoke = async (token_id: string): Promise<void> => {
      try {
        this._store.put({ pat: await request<Pat>('pat/revoke-pasted', 'POST', { token_id }) });
        done();
      } catch (error) {
        Notification.error(errorText(error, this._trans), { autoClose: 10_000 });
      }
    };
    return ReactWidget.create(
      React.createElement(Candidates, {
        pasted,
        trans: this._trans,
        revoke: candidate => void revoke(candidate.token_id)
      })
    );
  }
}
