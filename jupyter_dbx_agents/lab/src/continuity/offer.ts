/** The offer to continue, once there is a token on a machine without projects. */

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { isUsable } from '../status/model';
import type { IStatusStore } from '../status/store';
import type { KeptActions } from './actions';
import { kept } from './kept';

/** Offer it once in the life of the page; “Not now” leaves it in the panel. */
export function offerOnce(
  store: IStatusStore,
  actions: KeptActions,
  openPanel: () => void,
  trans: TranslationBundle
): void {
  const check = () => {
    const { pat, projects, continuity } = store.status;
    if (!isUsable(pat) || !continuity || !projects) {
      return;
    }
    store.changed.disconnect(check);
    if (projects.length || continuity.steps?.length) {
      return;
    }
    actions.findOffer(offer => {
      const text = kept(offer, trans);
      if (text) {
        Notification.info(text, {
          autoClose: false,
          actions: [
            {
              label: trans.__('Continue where you were'),
              displayType: 'accent',
              callback: () => {
                openPanel();
                actions.comeBack(() => undefined);
              }
            },
            {
              label: trans.__('Choose…'),
              callback: () => {
                openPanel();
                actions.choose(offer, () => undefined);
              }
            },
            { label: trans.__('Not now'), callback: () => undefined }
          ]
        });
      }
    });
  };
  store.changed.connect(check);
  check();
}
