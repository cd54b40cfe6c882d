/** The side bar's panel; what is in it is loaded when it is shown for the first time. */

import type { ServiceManager } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';
import type { Actions } from '../actions';
import { panelIcon } from '../icons';
import type { StatusStore } from '../store';

/** What the sections work with. */
export interface Context {
  store: StatusStore;
  actions: Actions;
  terminals: ServiceManager.IManager['terminals'];
  trans: TranslationBundle;
}

export class StatusPanel extends Panel {
  private _isFilled = false;

  constructor(private _context: Context) {
    super();
    this.id = 'jp-DbxAgents-panel';
    this.addClass('jp-DbxAgents-Panel');
    this.title.icon = panelIcon;
    this.title.caption = _context.trans.__('Databricks agents');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this.title.caption);
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    void this._fill();
  }

  private async _fill(): Promise<void> {
    if (this._isFilled) {
      return;
    }
    this._isFilled = true;
    const { createView } = await import('./view');
    this.addWidget(createView(this._context));
  }
}
