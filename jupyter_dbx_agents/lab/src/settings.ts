/** The user's choices (`schema/plugin.json`), with their defaults until they are loaded. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

export class Settings {
  askForToken = true;
  followProgram = true;
  copyFromPrograms = true;
  uploadPasted = true;
  firstHint = true;
  private _isHintShown = false;
  private _stored: ISettingRegistry.ISettings | null = null;

  /** Follow the stored settings; without them the defaults stay. */
  async follow(registry: ISettingRegistry, plugin: string): Promise<void> {
    try {
      this._stored = await registry.load(plugin);
    } catch (error) {
      console.warn('The settings of Databricks agents are not to be had', error);
      return;
    }
    const take = () =>
      Object.assign(this, this._stored?.composite, this._isHintShown && { firstHint: false });
    this._stored.changed.connect(take);
    take();
  }

  /** One hint at a time: not in the next terminal, too. */
  hintIsShown(): void {
    this._isHintShown = true;
    this.firstHint = false;
  }

  /** Do not show the hint again. */
  hintWasRead(): void {
    void this._stored?.set('firstHint', false).catch(() => undefined);
  }
}
