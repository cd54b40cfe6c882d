/** The dialog for signing in or a token, which stays open until the server has accepted one. */

import { Dialog, Notification, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { errorText } from '../server/requests';
import type { Pat } from '../status/model';
import { nameDialog } from '../widgets/dialogs';
import { SignIn } from './attempt';
import { AddressPicture } from './picture';

const INPUT_ID = 'jp-DbxAgents-token';

/** A link to the sign-in page, one field for what is pasted, and the server's last error. */
class PatForm extends ReactWidget {
  private _isBusy = false;
  private _error = '';
  readonly signIn: SignIn;

  constructor(
    private _pat: Pat,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-DbxAgents-PatForm');
    this.signIn = new SignIn(_trans, () => this.update());
  }

  override dispose(): void {
    this.signIn.dispose();
    super.dispose();
  }

  get input(): HTMLInputElement | null {
    return this.node.querySelector('input');
  }

  /** Show that what was pasted is being checked, or why it was rejected. */
  showState(isBusy: boolean, error: string): void {
    [this._isBusy, this._error] = [isBusy, error];
    this.update();
  }

  protected render(): React.ReactElement {
    const trans = this._trans;
    const pastes = this.signIn.attempt?.pastes === true;
    return (
      <>
        <p>{this._pat.message}</p>
        <ol>
          <li>{this._renderSignIn()}</li>
          {pastes && (
            <li>
              {trans.__(
                'That tab ends on a page that cannot be opened, as intended. Copy its whole address:'
              )}
              <AddressPicture redirectUrl={this.signIn.attempt?.redirect_url ?? ''} trans={trans} />
            </li>
          )}
          <li>
            <label htmlFor={INPUT_ID}>
              {pastes
                ? trans.__('Paste the address here')
                : trans.__('Or create a token and paste it here')}
            </label>
            <input
              id={INPUT_ID}
              className="jp-mod-styled"
              type="password"
              autoComplete="off"
              spellCheck={false}
              placeholder={pastes ? `${this.signIn.attempt?.redirect_url ?? ''}/…` : 'dapi…'}
              readOnly={this._isBusy}
              aria-describedby={`${INPUT_ID}-error`}
              aria-invalid={this._error !== ''}
            />
          </li>
        </ol>
        <p id={`${INPUT_ID}-error`} className="jp-DbxAgents-error" role="alert">
          {this._isBusy ? trans.__('Checking…') : this._error}
        </p>
        <p className="jp-DbxAgents-small">
          {trans.__('Or without signing in:')}{' '}
          <a href={this._pat.token_page} target="_blank" rel="noopener noreferrer">
            {trans.__('create a token in your workspace')}
          </a>{' '}
          {trans.__(
            '(a lifetime of 1 day is enough) and paste it here. We swap it right away for a %1 token that renews itself, and revoke the one you pasted.',
            lifetime(this._pat.lifetime_seconds, trans)
          )}
        </p>
      </>
    );
  }

  private _renderSignIn(): React.ReactElement {
    const { attempt, error } = this.signIn;
    const trans = this._trans;
    if (attempt) {
      return (
        <>
          <a
            className="jp-DbxAgents-signIn"
            href={attempt.address}
            target="_blank"
            rel="noopener noreferrer"
          >
            {trans.__('Sign in to Databricks')}
          </a>{' '}
          {attempt.pastes
            ? trans.__('(opens a new tab)')
            : trans.__('(opens a new tab; you are connected when you have finished there)')}
        </>
      );
    }
    return error ? (
      <>
        {error}{' '}
        <button type="button" className="jp-mod-styled" onClick={() => void this.signIn.begin()}>
          {trans.__('Start again')}
        </button>
      </>
    ) : (
      <span>{trans.__('Preparing the sign-in…')}</span>
    );
  }
}

/** Return how long a token is valid, as an adjective. */
function lifetime(seconds: number | undefined, trans: TranslationBundle): string {
  if (seconds === undefined) {
    return trans.__('short-lived');
  }
  return seconds > 60 && seconds % 60 === 0
    ? trans.__('%1-minute', seconds / 60)
    : trans.__('%1-second', seconds);
}

/** What was pasted: a token, or the answer to a sign-in in any form. */
export type Pasted = { token: string } | { answer: string };

/**
 * Asks to sign in or for a token; `connect` sends what was pasted to the server, and raises
 * ServerError if it is rejected.
 */
export class PatDialog extends Dialog<unknown> {
  private _form: PatForm;

  constructor(
    pat: Pat,
    private _connect: (pasted: Pasted) => Promise<void>,
    private _texts: TranslationBundle
  ) {
    const form = new PatForm(pat, _texts);
    const title = _texts.__('Connect to Databricks');
    super({
      title,
      body: form,
      buttons: [
        Dialog.cancelButton({ label: _texts.__('Not now') }),
        Dialog.okButton({ label: _texts.__('Connect') })
      ],
      focusNodeSelector: 'input',
      defaultButton: 1
    });
    this._form = form;
    this.addClass('jp-DbxAgents-PatDialog');
    nameDialog(this, title);
    void form.signIn.begin();
  }

  /** Close only when the server has accepted what was pasted. */
  override resolve(index = 1): void {
    if (index === 1) {
      void this._submit();
    } else {
      super.resolve(index);
    }
  }

  private async _submit(): Promise<void> {
    const input = this._form.input;
    const text = input?.value.trim() ?? '';
    if (!input || input.readOnly) {
      return; // one is being checked
    }
    if (!text) {
      this._form.showState(false, this._texts.__('Paste an address or a token first.'));
      return;
    }
    this._form.showState(true, '');
    const isAnswer = this._form.signIn.attempt?.pastes && !text.startsWith('dapi');
    try {
      await this._connect(isAnswer ? { answer: text } : { token: text });
      super.resolve(1);
    } catch (error) {
      this._onRejected(input, errorText(error, this._texts));
      if (isAnswer && !this.isDisposed) {
        void this._form.signIn.begin(); // the one that was answered may have ended
      }
    }
  }

  private _onRejected(input: HTMLInputElement, text: string): void {
    if (this.isDisposed) {
      Notification.error(text, { autoClose: false }); // the user has closed it before the reply
    } else {
      this._form.showState(false, text);
      input.focus();
      input.select();
    }
  }
}
