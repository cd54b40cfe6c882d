/** The side bar's panel; what is in it is loaded when it is shown for the first time. */

import type { Message } from '@lumino/messaging';
import { Panel, type Widget } from '@lumino/widgets';
import { panelIcon } from '../launcher/icons';
import type { Context } from './context';
import { createTrouble } from './errors';

// While the panel is shown, and only then.
const USAGE_MILLISECONDS = 10_000;

export class StatusPanel extends Panel {
  private _isFilled = false;
  private _timer = 0;

  constructor(private _context: Context) {
    super();
    this.id = 'jp-DbxAgents-panel';
    this.addClass('jp-DbxAgents-Panel');
    this.title.icon = panelIcon;
    this.title.caption = _context.trans.__('Databricks agents');
    this.node.tabIndex = -1; // takes the keyboard when it is asked for
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this.title.caption);
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    void this._fill();
    this._timer = window.setInterval(() => this._look(), USAGE_MILLISECONDS);
    this._look();
  }

  protected override onActivateRequest(): void {
    this.node.focus();
  }

  protected override onBeforeHide(msg: Message): void {
    window.clearInterval(this._timer);
    super.onBeforeHide(msg);
  }

  /** Usage is not pushed: each call of an agent would be an event for everybody. */
  private _look(): void {
    if (!document.hidden && this._context.store.isConnected) {
      this._context.store.refresh().catch(() => undefined); // the connection says what is wrong
    }
  }

  private async _fill(): Promise<void> {
    if (this._isFilled) {
      return;
    }
    this._isFilled = true;
    let content: Widget;
    try {
      content = (await import('./view')).createView(this._context);
    } catch (error) {
      console.warn('The panel of Databricks agents is not to be had', error);
      this._isFilled = false; // it is tried again when it is shown again
      const { trans } = this._context;
      const text = trans.__('This panel could not be loaded; the app may have been updated.');
      content = createTrouble(text, trans);
    }
    for (const old of [...this.widgets]) {
      old.dispose();
    }
    this.addWidget(content);
  }
}
