/** The dialog that takes a token, says what becomes of it, and stays open until it is taken. */

import { Dialog, Notification, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { errorText } from '../server/requests';
import type { Pat } from '../status/model';

const INPUT_ID = 'jp-DbxAgents-token';

/** A form of one password field; the server's last word is below it. */
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

  show_(isBusy: boolean, error: string): void {
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
            {trans.__('(lifetime: 1 day is enough)')}
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
              aria-describedby={`${INPUT_ID}-said`}
              aria-invalid={this._error !== ''}
            />
          </li>
        </ol>
        <p id={`${INPUT_ID}-said`} className="jp-DbxAgents-said" role="alert">
          {this._isBusy ? trans.__('Checking …') : this._error}
        </p>
        <p className="jp-DbxAgents-small">
          {trans.__(
            'It is replaced at once by one that lives %1 and renews itself, and the pasted one is revoked. Nothing is stored.',
            duration(this._pat.lifetime_seconds, trans)
          )}
        </p>
      </>
    );
  }
}

function duration(seconds: number | undefined, trans: TranslationBundle): string {
  if (seconds === undefined) {
    return trans.__('a few minutes');
  }
  return seconds > 60 && seconds % 60 === 0
    ? trans.__('%1 minutes', seconds / 60)
    : trans.__('%1 seconds', seconds);
}

/** Ask for a token; `adopt` gives it to the server and raises what the server says against it. */
export class PatDialog extends Dialog<unknown> {
  private _form: PatForm;

  constructor(
    pat: Pat,
    private _adopt: (token: string) => Promise<void>,
    private _texts: TranslationBundle
  ) {
    const form = new PatForm(pat, _texts);
    super({
      title: _texts.__('Databricks token needed'),
      body: form,
      buttons: [
        Dialog.cancelButton({ label: _texts.__('Not now') }),
        Dialog.okButton({ label: _texts.__('Use this token') })
      ],
      focusNodeSelector: 'input',
      defaultButton: 1
    });
    this._form = form;
    this.addClass('jp-DbxAgents-PatDialog');
  }

  /** Accepting means asking the server first; only then the dialog ends. */
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
      return; // it is being checked
    }
    if (!token) {
      this._form.show_(false, this._texts.__('Paste a token first.'));
      return;
    }
    this._form.show_(true, '');
    try {
      await this._adopt(token);
      super.resolve(1);
    } catch (error) {
      this._onRefused(input, errorText(error, this._texts));
    }
  }

  private _onRefused(input: HTMLInputElement, text: string): void {
    if (this.isDisposed) {
      Notification.error(text, { autoClose: false }); // “Not now”, before the answer came
    } else {
      this._form.show_(false, text);
      input.focus();
      input.select();
    }
  }
}
