/** The side bar's panel; its content is loaded when it is shown for the first time. */

import type { Message } from '@lumino/messaging';
import { Panel, type Widget } from '@lumino/widgets';
import { createErrorMessage } from '../widgets/errors';
import { panelIcon } from '../widgets/icons';
import type { Context } from './context';

// Only while the panel is shown.
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
    _context.store.changed.connect(this._followConnection, this);
    this._followConnection();
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this.title.caption);
  }

  /** Focusable by script; without the server by Tab, too, to scroll: all of its controls are disabled. */
  private _followConnection(): void {
    this.node.tabIndex = this._context.store.isConnected ? -1 : 0;
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    void this._fill();
    this._timer = window.setInterval(() => this._refresh(), USAGE_MILLISECONDS);
    this._refresh();
  }

  protected override onActivateRequest(): void {
    this.node.focus();
  }

  protected override onBeforeHide(msg: Message): void {
    window.clearInterval(this._timer);
    super.onBeforeHide(msg);
  }

  /** Poll for the usage, which no event brings: each model call would send one to every page. */
  private _refresh(): void {
    if (!document.hidden && this._context.store.isConnected) {
      this._context.store.refresh().catch(() => undefined); // the view shows a lost connection
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
      console.warn('Could not load the panel of Databricks agents', error);
      this._isFilled = false; // load it again when the panel is shown again
      const { trans } = this._context;
      const text = trans.__('This panel could not be loaded; the app may have been updated.');
      content = createErrorMessage(text, trans);
    }
    for (const old of [...this.widgets]) {
      old.dispose();
    }
    this.addWidget(content);
  }
}
