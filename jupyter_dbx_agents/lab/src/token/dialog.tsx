/** The dialog for a token, which stays open until the server has accepted one. */

import { Dialog, Notification, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { errorText } from '../server/requests';
import type { Pat } from '../status/model';

const INPUT_ID = 'jp-DbxAgents-token';

/** A form of one password field, with the server's last error below it. */
class PatForm extends ReactWidget {
  private _isBusy = false;
  private _error = '';

  constructor(
    private _pat: Pat,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-DbxAgents-PatForm');
  }

  get input(): HTMLInputElement | null {
    return this.node.querySelector('input');
  }

  /** Show that the token is being checked, or why it was rejected. */
  showState(isBusy: boolean, error: string): void {
    [this._isBusy, this._error] = [isBusy, error];
    this.update();
  }

  protected render(): React.ReactElement {
    const trans = this._trans;
    return (
      <>
        <p>{this._pat.message}</p>
        <ol>
          <li>
            <a href={this._pat.token_page} target="_blank" rel="noopener noreferrer">
              {trans.__('Create a token in your workspace')}
            </a>{' '}
            {trans.__('(a lifetime of 1 day is enough)')}
          </li>
          <li>
            <label htmlFor={INPUT_ID}>{trans.__('Paste it here')}</label>
            <input
              id={INPUT_ID}
              className="jp-mod-styled"
              type="password"
              autoComplete="off"
              spellCheck={false}
              placeholder="dapi…"
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
          {trans.__(
            'We swap it right away for a %1 token that renews itself, and revoke the one you pasted.',
            lifetime(this._pat.lifetime_seconds, trans)
          )}
        </p>
      </>
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

/** Asks for a token; `adopt` sends it to the server, and raises ServerError if it is rejected. */
export class PatDialog extends Dialog<unknown> {
  private _form: PatForm;

  constructor(
    pat: Pat,
    private _adopt: (token: string) => Promise<void>,
    private _texts: TranslationBundle
  ) {
    const form = new PatForm(pat, _texts);
    super({
      title: _texts.__('Connect to Databricks'),
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
  }

  /** Close only when the server has accepted the token. */
  override resolve(index = 1): void {
    if (index === 1) {
      void this._submit();
    } else {
      super.resolve(index);
    }
  }

  private async _submit(): Promise<void> {
    const input = this._form.input;
    const token = input?.value.trim() ?? '';
    if (!input || input.readOnly) {
      return; // one is being checked
    }
    if (!token) {
      this._form.showState(false, this._texts.__('Paste a token first.'));
      return;
    }
    this._form.showState(true, '');
    try {
      await this._adopt(token);
      super.resolve(1);
    } catch (error) {
      this._onRejected(input, errorText(error, this._texts));
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
