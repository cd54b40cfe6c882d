/** What can be done with what is kept; a failure is shown in a notification. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { errorText, request } from '../server/requests';
import type { Conversation, Offer, Step } from '../status/model';
import type { IStatusStore } from '../status/store';
import { type Choice, chosen } from './choice';

// Projects come back at the pace of the workspace's limits.
const LONGEST_MILLISECONDS = 24 * 3600 * 1000;

interface Found {
  conversations?: Conversation[];
}

export class KeptActions {
  constructor(
    private _store: IStatusStore,
    private _commands: CommandRegistry,
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
    this._run(() => this._comeBack({}, then));
  }

  /** Ask what of an offer comes back, and bring that back; then call `then`. */
  choose(offer: Offer, then: () => void): void {
    this._run(async () => {
      const choice = await chosen(offer, this._trans);
      if (choice) {
        await this._comeBack(choice, then);
      }
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

  /** Replace the list of more files to keep; then call `then`. */
  nameDotfiles(dotfiles: string[], then?: () => void): void {
    this._run(async () => {
      await request('continuity', 'PATCH', { dotfiles });
      then?.();
      await this._store.refresh();
    });
  }

  /** Call `then` with the conversations here, newest first; with a text, those that have it. */
  findConversations(text: string, then: (found: Conversation[]) => void): void {
    this._run(async () => {
      const reply = text
        ? await request<Found>('conversations/search', 'POST', { text })
        : await request<Found>('conversations');
      then(reply.conversations ?? []);
    });
  }

  /** Open a terminal in which a conversation goes on. */
  resume({ id }: Conversation): void {
    this._run(async () => {
      const path = 'conversations/resume';
      const { terminal } = await request<{ terminal: string }>(path, 'POST', { id });
      await this._commands.execute('terminal:open', { name: terminal });
    });
  }

  private async _comeBack(choice: Partial<Choice>, then: () => void): Promise<void> {
    const path = 'continuity/restore';
    const { steps } = await request<{ steps?: Step[] }>(path, 'POST', choice, LONGEST_MILLISECONDS);
    const failed = steps?.filter(step => step.state === 'failed') ?? [];
    if (failed.length) {
      const names = failed.map(step => step.name).join(', ');
      Notification.warning(this._trans.__('Could not restore: %1', names));
    }
    await this._store.refresh();
    then();
  }

  private _run(action: () => Promise<void>): void {
    action().catch(error =>
      Notification.error(errorText(error, this._trans), { autoClose: 10_000 })
    );
  }
}
