/** The plug-in that says which agent needs its owner: on tabs, in the page's title, and once. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, type MainAreaWidget } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { type ITerminal, ITerminalTracker } from '@jupyterlab/terminal';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { request } from '../server/requests';
import { Settings } from '../settings';
import { NEXT_NEED, OPEN_PANEL } from '../status/commands';
import { CountItem } from '../status/counts';
import type { AgentSession } from '../status/model';
import { sessionIn } from '../status/names';
import { IStatusStore } from '../status/store';
import { needsOf, nextNeed, Told, tooltipOf } from './needs';
import { PageMark } from './page_mark';
import { Teller } from './teller';

const STATE = 'dbx-agents-state';

export const attention: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-dbx-agents:attention',
  description: 'Says which agent needs you: on tabs, in the title of the page, and once.',
  autoStart: true,
  requires: [IStatusStore],
  optional: [ITerminalTracker, ICommandPalette, ISettingRegistry, IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    store: IStatusStore,
    terminals: ITerminalTracker | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_dbx_agents');
    const settings = new Settings();
    void settings.follow(registry);
    const follower = new Follower(app, store, terminals, settings, trans);
    app.commands.addCommand(NEXT_NEED, {
      label: trans.__('Go to the Next Agent That Needs You'),
      execute: () => follower.goToNext()
    });
    const count = new CountItem(
      store,
      status => needText(needsOf(status).length, trans),
      trans.__('Go to the next agent that needs you'),
      () => follower.goToNext()
    );
    statusBar?.registerStatusItem(attention.id, {
      item: count,
      align: 'right',
      rank: 3,
      priority: 1, // in a narrow window, too
      isActive: () => count.isActive,
      activeStateChanged: count.activeChanged
    });
    palette?.addItem({ command: NEXT_NEED, category: trans.__('Agents') });
  }
};

function needText(count: number, trans: TranslationBundle): string {
  return count ? `! ${trans._n('%1 agent needs you', '%1 agents need you', count)}` : '';
}

type Tab = MainAreaWidget<ITerminal.ITerminal>;

/** Follows the status, and what the owner looks at. */
class Follower {
  private _told = new Told();
  private _mark = new PageMark();
  private _teller: Teller;
  private _seen = new Set<string>();

  constructor(
    private _app: JupyterFrontEnd,
    private _store: IStatusStore,
    private _terminals: ITerminalTracker | null,
    settings: Settings,
    private _trans: TranslationBundle
  ) {
    this._teller = new Teller(settings, session => this._show(session), _trans);
    const follow = () => this._follow();
    _store.changed.connect(follow);
    _terminals?.widgetAdded.connect((_, tab) => {
      tab.content.session.disposed.connect(() => this._sign(tab as Tab));
      follow();
    });
    _terminals?.currentChanged.connect(follow);
    // The age in a caption is that of the moment at which somebody points at the tab.
    document.addEventListener('mouseover', ({ target }) => {
      if (target instanceof Element && target.closest('.lm-TabBar-tab')) {
        this._signAll();
      }
    });
    document.addEventListener('visibilitychange', follow);
    window.addEventListener('focus', follow);
  }

  /** Show the session after the one in front that needs the owner. */
  goToNext(): void {
    const front = this._terminals?.currentWidget;
    const current = front?.isVisible ? front.content.session.name : undefined;
    const next = nextNeed(needsOf(this._store.status), current);
    if (next) {
      this._show(next);
    }
  }

  private _show(session: AgentSession): void {
    const { commands } = this._app;
    if (session.terminal) {
      void commands.execute('terminal:open', { name: session.terminal });
    } else {
      this._see(session);
      void (commands.hasCommand(OPEN_PANEL) && commands.execute(OPEN_PANEL));
    }
  }

  private _follow(): void {
    const { status, isKnown, isConnected } = this._store;
    document.body.classList.toggle('jp-DbxAgents-isOffline', !isConnected);
    if (!isKnown) {
      return;
    }
    this._signAll();
    this._mark.show(needsOf(status).length);
    this._teller.follow(status);
    for (const session of this._told.news(status)) {
      if (!session.seen && !this._isInView(session)) {
        this._teller.tell(status, session);
      }
    }
    for (const session of needsOf(status)) {
      if (!session.seen && this._isInView(session)) {
        this._see(session);
      }
    }
  }

  private _signAll(): void {
    for (const tab of this._tabs()) {
      this._sign(tab);
    }
  }

  /** Put the state on a terminal's tab, where the style sheet makes a sign of it. */
  private _sign({ content }: Tab): void {
    if (content.isDisposed) {
      return;
    }
    const { status } = this._store;
    const session = content.session.isDisposed
      ? undefined
      : sessionIn(status, content.session.name);
    const { [STATE]: before, ...others } = content.title.dataset;
    if (session?.state !== before) {
      content.title.dataset = session ? { ...others, [STATE]: session.state } : others;
    }
    if (!content.session.isDisposed) {
      const { name } = content.session;
      content.title.caption = tooltipOf(status, name, Date.now(), this._trans);
    }
  }

  private _isInView({ terminal }: AgentSession): boolean {
    const isSeen = document.visibilityState === 'visible' && document.hasFocus();
    return isSeen && this._tabs().some(t => t.isVisible && t.content.session.name === terminal);
  }

  private _see({ id, revision }: AgentSession): void {
    const key = `${id} ${revision}`;
    if (!this._seen.has(key)) {
      this._seen.add(key);
      // What could not be sent is sent when the owner looks again.
      request('attention/seen', 'POST', { id, revision }).catch(() => this._seen.delete(key));
    }
  }

  private _tabs(): Tab[] {
    const found: Tab[] = [];
    this._terminals?.forEach(tab => {
      found.push(tab as Tab);
    });
    return found;
  }
}
