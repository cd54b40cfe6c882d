/** What the panel's sections work with. */

import type { ServiceManager } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { StatusStore } from '../status/store';
import type { Actions } from './actions';

export interface Context {
  store: StatusStore;
  actions: Actions;
  terminals: ServiceManager.IManager['terminals'];
  trans: TranslationBundle;
}
