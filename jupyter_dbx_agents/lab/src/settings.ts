/**
 * The user's choices (`schema/plugin.json`), with their defaults until they are loaded.
 *
 * They are one page in JupyterLab's settings, under an id that is older than the plug-ins that read
 * them: what a user has stored stays valid.
 */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

const ID = 'jupyter-dbx-agents:plugin';

export class Settings {
  askForToken = true;
  followProgram = true;
  copyFromPrograms = true;
  uploadPasted = true;
  firstHint = true;
  tellPermission = true;
  tellQuestion = true;
  tellFailed = true;
  tellDone = true;
  desktopNotifications = true;
  private _isHintShown = false;
  private _stored: ISettingRegistry.ISettings | null = null;

  /** Follow the stored settings; without them the defaults stay. */
  async follow(registry: ISettingRegistry | null): Promise<void> {
    if (!registry) {
      return;
    }
    try {
      this._stored = await registry.load(ID);
    } catch (error) {
      console.warn('Could not load the settings of Databricks agents', error);
      return;
    }
    const apply = () =>
      Object.assign(this, this._stored?.composite, this._isHintShown && { firstHint: false });
    this._stored.changed.connect(apply);
    apply();
  }

  /** Do not show the hint in the next terminal of this page. */
  markHintShown(): void {
    this._isHintShown = true;
    this.firstHint = false;
  }

  /** Do not show the hint again, in any page. */
  markHintRead(): void {
    void this._stored?.set('firstHint', false).catch(() => undefined);
  }
}
