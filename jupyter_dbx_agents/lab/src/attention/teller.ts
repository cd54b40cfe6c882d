/** Tells the owner of a need: in the page, and on the desktop while nobody looks at the page. */

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Settings } from '../settings';
import type { AgentSession, Status } from '../status/model';
import { nameOf } from '../status/names';
import { doingOf, needsOf } from './needs';

const ASKED = 'jupyter-dbx-agents:desktop-asked';
const DONE_MILLISECONDS = 10_000;
const LEVELS: Record<string, 'warning' | 'error' | 'success'> = {
  failed: 'error',
  done: 'success'
};

export class Teller {
  private _shown = new Map<string, string>();

  constructor(
    private _settings: Settings,
    private _show: (session: AgentSession) => void,
    private _trans: TranslationBundle
  ) {}

  /** Tell of a need, unless its kind is switched off. */
  tell(status: Status, session: AgentSession): void {
    if (!this._isWanted(session)) {
      return;
    }
    const name = nameOf(status, session, this._trans);
    const title = `${name} ${doingOf(session, this._trans)}`;
    const message = session.text ? `${title}: ${session.text}` : title;
    this._dismiss(session.id);
    const id = Notification.emit(message, LEVELS[session.state] ?? 'warning', {
      autoClose: session.state === 'done' ? DONE_MILLISECONDS : false,
      actions: [
        { label: this._trans.__('Show'), callback: () => this._show(session) },
        ...this._offer()
      ]
    });
    this._shown.set(session.id, id);
    this._tellDesktop(title, session);
  }

  /** Take back what needs nobody any more. */
  follow(status: Status): void {
    const needs = new Set(needsOf(status).map(session => session.id));
    for (const id of [...this._shown.keys()].filter(id => !needs.has(id))) {
      this._dismiss(id);
    }
  }

  private _dismiss(id: string): void {
    const shown = this._shown.get(id);
    if (shown && this._shown.delete(id) && Notification.manager.has(shown)) {
      Notification.dismiss(shown);
    }
  }

  private _isWanted({ state }: AgentSession): boolean {
    const { tellPermission, tellQuestion, tellFailed, tellDone } = this._settings;
    const wanted: Record<string, boolean> = {
      permission: tellPermission,
      question: tellQuestion,
      failed: tellFailed,
      done: tellDone
    };
    return wanted[state] ?? false;
  }

  /** Offer the desktop once: a browser asks for it only after a click. */
  private _offer(): { label: string; callback: () => void }[] {
    const isOpen = this._settings.desktopNotifications && 'Notification' in window;
    if (!isOpen || window.Notification.permission !== 'default' || localStorage.getItem(ASKED)) {
      return [];
    }
    localStorage.setItem(ASKED, 'true');
    const label = this._trans.__('Also on the desktop');
    return [{ label, callback: () => void window.Notification.requestPermission() }];
  }

  private _tellDesktop(title: string, session: AgentSession): void {
    const isAllowed = 'Notification' in window && window.Notification.permission === 'granted';
    const isSeen = document.visibilityState === 'visible' && document.hasFocus();
    if (!this._settings.desktopNotifications || !isAllowed || isSeen) {
      return;
    }
    // The same need of another window of the browser replaces it.
    const tag = `dbx-agents-${session.id}-${session.revision}`;
    const shown = new window.Notification(title, { tag });
    shown.onclick = () => {
      window.focus();
      this._show(session);
    };
  }
}
