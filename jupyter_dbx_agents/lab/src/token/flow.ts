/**
 * When the token dialog comes and goes.
 *
 * It comes when the server starts to need a token and when a terminal opens while it does; it goes
 * by itself when the token was given elsewhere: in another tab, or at the prompt in a terminal.
 */

import { Dialog, Notification, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';
import * as React from 'react';
import { ask, errorText } from '../server/requests';
import { isNeeded, isUsable, type Pasted, type Pat } from '../status/model';
import type { IStatusStore } from '../status/store';
import { Candidates } from './candidates';
import { PatDialog } from './dialog';

export class PatFlow {
  private _dialog: PatDialog | null = null;
  private _wasNeeded = false;
  private _isGiving = false;

  /** `focusBack` is called when the dialog has gone. */
  constructor(
    private _store: IStatusStore,
    private _trans: TranslationBundle,
    private _isWanted: () => boolean,
    private _focusBack: () => void
  ) {}

  /** Offer the dialog from now on. */
  start(): void {
    this._store.changed.connect(this._follow, this);
    this._follow();
  }

  /** Ask for a token if one is needed and nobody is being asked; resolves when that has ended. */
  async offer(): Promise<void> {
    const { pat } = this._store.status;
    if (this._dialog || !pat || !isNeeded(this._store.status)) {
      return;
    }
    this._dialog = new PatDialog(pat, token => this._adopt(token), this._trans);
    try {
      await this._dialog.launch();
    } finally {
      this._dialog = null;
      this._focusBack();
    }
    await this._offerCandidates();
  }

  /** Ask unless the user wants to be left alone. */
  offerIfWanted(): void {
    if (this._isWanted()) {
      void this.offer();
    }
  }

  /** The token is in force, and told to be, before the answer says what became of the pasted one. */
  private async _adopt(token: string): Promise<void> {
    this._isGiving = true;
    try {
      this._store.put({ pat: await ask<Pat>('pat', 'POST', { token }) });
    } finally {
      this._isGiving = false;
      this._follow(); // a token may have been given elsewhere meanwhile
    }
  }

  private _follow(): void {
    const isAsked = isNeeded(this._store.status);
    if (isAsked && !this._wasNeeded && !this._store.isLoggingOut) {
      this.offerIfWanted();
    }
    if (isUsable(this._store.status.pat) && !this._isGiving) {
      this._dialog?.reject();
    }
    this._wasNeeded = isAsked;
  }

  private async _offerCandidates(): Promise<void> {
    const pasted = this._store.status.pat?.pasted;
    if (pasted?.state !== 'kept' || !pasted.candidates?.length) {
      return;
    }
    const dialog: Dialog<unknown> = new Dialog({
      title: this._trans.__('Which one did you paste?'),
      body: this._candidates(pasted, () => dialog.resolve(0)),
      buttons: [Dialog.cancelButton({ label: this._trans.__('Keep it') })]
    });
    await dialog.launch();
    this._focusBack();
  }

  private _candidates(pasted: Pasted, done: () => void): Widget {
    const revoke = async (token_id: string): Promise<void> => {
      try {
        this._store.put({ pat: await ask<Pat>('pat/revoke-pasted', 'POST', { token_id }) });
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
