/** The status bar's item: whether there is a connection; its details are in the tooltip. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { leftText, secondsUntil } from '../text';
import { isNeeded, isOverdue, isStopping, type Pat } from './model';
import type { IStatusStore } from './store';

export class StatusItem extends Widget {
  private _button = document.createElement('button');

  constructor(
    private _store: IStatusStore,
    private _trans: TranslationBundle,
    private _onClick: () => void
  ) {
    super();
    this.addClass('jp-DbxAgents-StatusItem');
    this._button.type = 'button';
    this._button.onclick = () => this._act();
    // Times in the tooltip are those of the moment at which somebody reads it: nothing ticks.
    this._button.onmouseenter = this._button.onfocus = () => this._update();
    this.node.append(this._button);
    _store.changed.connect(this._update, this);
    this._update();
  }

  override dispose(): void {
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

  private _update(): void {
    const { text, title, level } = describe(this._store, this._trans, Date.now());
    this._button.textContent = text;
    this._button.title = title;
    this._button.dataset.level = level;
  }
}

interface Description {
  text: string;
  title: string;
  level: 'good' | 'warning' | 'bad' | 'none';
}

/** Return what the item says of the connection to the server, and to the workspace. */
export function describe(
  store: Omit<IStatusStore, 'changed' | 'known'>,
  trans: TranslationBundle,
  now: number
): Description {
  const { pat, workspace } = store.status;
  if (store.isSignedOut) {
    const title = trans.__('Your sign-in has expired. Reload the page to sign in again.');
    return { text: trans.__('Databricks: reload to sign in'), title, level: 'bad' };
  }
  if (!store.isKnown) {
    return { text: 'Databricks…', title: trans.__('Waiting for the server'), level: 'none' };
  }
  if (isStopping(store.status)) {
    const title = store.status.server?.message ?? '';
    return { text: trans.__('Databricks: app is shutting down…'), title, level: 'warning' };
  }
  if (!store.isConnected) {
    const title = trans.__('The connection to the server is lost. What runs there keeps running.');
    return { text: trans.__('Offline · retrying'), title, level: 'none' };
  }
  if (!workspace || !pat) {
    const title = trans.__('DATABRICKS_HOST is not set');
    return { text: trans.__('No workspace'), title, level: 'none' };
  }
  const title = [pat.message, pat.hint].filter(Boolean).join(' ');
  if (isNeeded(store.status)) {
    return { text: trans.__('Databricks: token needed'), title, level: 'bad' };
  }
  return describeToken(pat, title, trans, now);
}

function describeToken(pat: Pat, said: string, trans: TranslationBundle, now: number): Description {
  if (pat.state === 'adopting') {
    return { text: trans.__('Databricks: checking the token…'), title: said, level: 'warning' };
  }
  const isGood = ['active', 'paused'].includes(pat.state);
  const user = pat.user ? trans.__('Connected as %1', pat.user) : said;
  const title = [user, renewalOf(pat, trans, now), isGood ? '' : said].filter(Boolean).join('\n');
  const state = isGood ? '' : ` (${pat.state})`;
  return { text: `Databricks${state}`, title, level: isGood ? 'good' : 'warning' };
}

/** Return when a token is renewed, or expires if no session is open to renew it for; '' if never. */
export function renewalOf(
  { next_rotation_at, expires_at }: Pick<Pat, 'next_rotation_at' | 'expires_at'>,
  trans: TranslationBundle,
  now: number
): string {
  const left = secondsUntil(expires_at, now);
  if (!isOverdue(next_rotation_at, now)) {
    const seconds = secondsUntil(next_rotation_at, now) ?? left;
    return seconds === null ? '' : trans.__('Renews in %1', leftText(seconds));
  }
  return left === null
    ? ''
    : trans.__('Renews when you open a terminal; expires in %1', leftText(left));
}
