/** The sign-in under way: where its page is, until when, or why there is none. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { errorText, request } from '../server/requests';
import type * as Rest from '../server/rest_api';

export type Attempt = Partial<Rest.SignInAttempt> & Pick<Rest.SignInAttempt, 'address' | 'pastes'>;

/** Begins a sign-in and notices its end; `changed` is called after each change. */
export class SignIn {
  private _timer = 0;
  attempt: Attempt | null = null;
  error = '';

  constructor(
    private _trans: TranslationBundle,
    private _changed: () => void
  ) {}

  /** Begin one, or get the one under way, which all windows share. */
  async begin(): Promise<void> {
    try {
      this._put(await request<Attempt>('pat/sign-in', 'POST'), '');
    } catch (error) {
      this._put(null, errorText(error, this._trans));
    }
  }

  /** Stop to follow it; the server keeps it for the other windows. */
  dispose(): void {
    window.clearTimeout(this._timer);
  }

  private _put(attempt: Attempt | null, error: string): void {
    [this.attempt, this.error] = [attempt, error];
    window.clearTimeout(this._timer);
    if (attempt?.expires_in_seconds) {
      const end = () => this._put(null, this._trans.__('The sign-in page has expired.'));
      this._timer = window.setTimeout(end, 1000 * attempt.expires_in_seconds);
    }
    this._changed();
  }
}
