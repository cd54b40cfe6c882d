/** The status bar's item: the token's user, with a countdown to the next rotation. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { clock, secondsUntil } from '../text';
import { isNeeded, isOverdue, isStopping, type Pat } from './model';
import type { IStatusStore } from './store';

const TICK_MILLISECONDS = 1000;

export class StatusItem extends Widget {
  private _button = document.createElement('button');
  private _timer = 0;

  constructor(
    private _store: IStatusStore,
    private _trans: TranslationBundle,
    private _onClick: () => void
  ) {
    super();
    this.addClass('jp-DbxAgents-StatusItem');
    this._button.type = 'button';
    this._button.onclick = () => this._act();
    this.node.append(this._button);
    _store.changed.connect(this._update, this);
    document.addEventListener('visibilitychange', this._onVisible);
    this._update();
  }

  override dispose(): void {
    window.clearTimeout(this._timer);
    document.removeEventListener('visibilitychange', this._onVisible);
    this._store.changed.disconnect(this._update, this);
    super.dispose();
  }

  private _act(): void {
    if (this._store.isSignedOut) {
      window.location.reload();
    } else {
      this._onClick();
    }
  }

  private _onVisible = (): void => this._update();

  private _update(): void {
    window.clearTimeout(this._timer);
    const { text, title, level } = describe(this._store, this._trans, Date.now());
    this._button.textContent = text;
    this._button.title = title;
    this._button.dataset.level = level;
    // A clock on the screen only: it requests nothing, and does not run while the page is hidden.
    if (!document.hidden && this._store.status.pat?.next_rotation_at) {
      this._timer = window.setTimeout(() => this._update(), TICK_MILLISECONDS);
    }
  }
}

interface Description {
  text: string;
  title: string;
  level: 'good' | 'warning' | 'bad' | 'none';
}

function describe(store: IStatusStore, trans: TranslationBundle, now: number): Description {
  const { pat, workspace } = store.status;
  if (store.isSignedOut) {
    const title = trans.__('Your sign-in has expired. Reload the page to sign in again.');
    return { text: trans.__('Databricks: reload to sign in'), title, level: 'bad' };
  }
  if (!store.isKnown) {
    return { text: 'Databricks…', title: trans.__('Waiting for the server'), level: 'none' };
  }
  if (!workspace || !pat) {
    return {
      text: trans.__('No workspace'),
      title: trans.__('DATABRICKS_HOST is not set'),
      level: 'none'
    };
  }
  if (isStopping(store.status)) {
    const title = store.status.server?.message ?? '';
    return { text: trans.__('Databricks: app is shutting down…'), title, level: 'warning' };
  }
  if (!store.isConnected) {
    const title = trans.__('The connection to the server was lost');
    return { text: trans.__('Databricks: reconnecting…'), title, level: 'warning' };
  }
  const title = [pat.message, pat.hint].filter(Boolean).join(' ');
  if (isNeeded(store.status)) {
    return { text: trans.__('Databricks: token needed'), title, level: 'bad' };
  }
  return {
    text: tokenText(pat, trans, now),
    title,
    level: pat.state === 'active' ? 'good' : 'warning'
  };
}

function tokenText(pat: Pat, trans: TranslationBundle, now: number): string {
  if (pat.state === 'adopting') {
    return trans.__('Databricks: checking the token…');
  }
  const state = pat.state === 'active' ? '' : ` (${pat.state})`;
  return `${pat.user || 'Databricks'}${state} ${countdown(pat, trans, now)}`.trim();
}

/** Return the time to the next rotation, or to the expiry if no session is open to rotate for. */
function countdown(
  { next_rotation_at, expires_at }: Pick<Pat, 'next_rotation_at' | 'expires_at'>,
  trans: TranslationBundle,
  now: number
): string {
  const left = secondsUntil(expires_at, now);
  if (!isOverdue(next_rotation_at, now)) {
    const seconds = secondsUntil(next_rotation_at, now) ?? left;
    return seconds === null ? '' : `⟳ ${clock(seconds)}`;
  }
  return left === null ? '' : trans.__('expires in %1', clock(left));
}
