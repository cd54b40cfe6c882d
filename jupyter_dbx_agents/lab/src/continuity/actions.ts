/** What can be done with what is kept; a failure is shown in a notification. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { errorText, request } from '../server/requests';
import type { Offer, Step } from '../status/model';
import type { IStatusStore } from '../status/store';

// Projects come back at the pace of the workspace's limits.
const LONGEST_MILLISECONDS = 24 * 3600 * 1000;

export class KeptActions {
  constructor(
    private _store: IStatusStore,
    private _trans: TranslationBundle
  ) {}

  /** Call `then` with what is kept of former starts; nobody has asked, so a failure is silent. */
  findOffer(then: (offer: Offer) => void): void {
    request<{ offer?: Offer }>('continuity').then(
      ({ offer }) => offer && then(offer),
      () => undefined
    );
  }

  /** Bring everything back; the status has the progress.  Call `then` at the end. */
  comeBack(then: () => void): void {
    this._run(async () => {
      const path = 'continuity/restore';
      const { steps } = await request<{ steps?: Step[] }>(path, 'POST', {}, LONGEST_MILLISECONDS);
      const failed = steps?.filter(step => step.state === 'failed') ?? [];
      if (failed.length) {
        const names = failed.map(step => step.name).join(', ');
        Notification.warning(this._trans.__('Not everything is back: %1', names));
      }
      await this._store.refresh();
      then();
    });
  }

  /** Delete what is kept beside commits, after a confirmation; then call `then`. */
  forgetKept(then: () => void): void {
    this._run(async () => {
      const { button } = await showDialog({
        title: this._trans.__('Forget what is kept?'),
        body: this._trans.__(
          'Conversations, history and uncommitted work are deleted in your workspace; what is here stays. Nothing more is kept until the next start.'
        ),
        buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: this._trans.__('Forget') })]
      });
      if (button.accept) {
        const { files } = await request<{ files?: number }>('continuity', 'DELETE');
        Notification.success(this._trans.__('%1 files were deleted.', files ?? 0));
        await this._store.refresh();
        then();
      }
    });
  }

  private _run(action: () => Promise<void>): void {
    action().catch(error =>
      Notification.error(errorText(error, this._trans), { autoClose: 10_000 })
    );
  }
}
