/** An item of the status bar that says how many there are of something, and is hidden at none. */

import { type ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import type { Status } from './model';
import type { IStatusStore } from './store';

export class CountItem extends Widget {
  private _button = document.createElement('button');
  private _isActive = false;
  private _activeChanged = new Signal<this, void>(this);

  /** `textOf` returns what it says, '' for nothing. */
  constructor(
    private _store: IStatusStore,
    private _textOf: (status: Status) => string,
    title: string,
    onClick: () => void
  ) {
    super();
    this.addClass('jp-DbxAgents-CountItem');
    this._button.type = 'button';
    this._button.title = title;
    this._button.onclick = onClick;
    this.node.append(this._button);
    _store.changed.connect(this._update, this);
    this._update();
  }

  /** Whether there is anything to say. */
  get isActive(): boolean {
    return this._isActive;
  }

  get activeChanged(): ISignal<this, void> {
    return this._activeChanged;
  }

  override dispose(): void {
    this._store.changed.disconnect(this._update, this);
    super.dispose();
  }

  private _update(): void {
    const text = this._textOf(this._store.status);
    if (text !== this._button.textContent) {
      this._button.textContent = text;
      this._isActive = text !== '';
      this._activeChanged.emit();
    }
  }
}
