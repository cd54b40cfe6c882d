/** What the panel's sections work with. */

import type { ServiceManager } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { KeptActions } from '../continuity/actions';
import type { IStatusStore } from '../status/store';
import type { Actions } from './actions';

export interface Context {
  store: IStatusStore;
  actions: Actions;
  kept: KeptActions;
  terminals: ServiceManager.IManager['terminals'];
  trans: TranslationBundle;
}
