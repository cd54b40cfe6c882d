/** The offer to continue on a machine that has lost everything, and the command that accepts it. */

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { CONTINUE } from '../status/commands';
import type { IStatusStore } from '../status/store';
import type { KeptActions } from './actions';
import { kept } from './kept';

// In which JupyterLab opens a launcher where nothing else is open.
const LAUNCHER_MILLISECONDS = 2000;

/** Add the command; with the argument `chooses` it asks what comes back. */
export function addContinue(
  commands: CommandRegistry,
  store: IStatusStore,
  actions: KeptActions,
  openPanel: () => void,
  trans: TranslationBundle
): void {
  commands.addCommand(CONTINUE, {
    label: trans.__('Continue Where You Were'),
    isEnabled: () => store.isConnected && Boolean(store.status.offer),
    execute: ({ chooses }) => {
      const { offer } = store.status;
      openPanel(); // which shows the progress
      if (chooses && offer) {
        actions.choose(offer, () => undefined);
      } else {
        actions.comeBack(() => undefined);
      }
    }
  });
  store.changed.connect(() => commands.notifyCommandChanged(CONTINUE));
}

/**
 * Put the offer into the status whenever the server has one: the launcher and the bar of ended
 * terminals show it.  Where none of them is in sight, a notification does.
 */
export function followOffer(
  commands: CommandRegistry,
  store: IStatusStore,
  actions: KeptActions,
  isInSight: () => boolean,
  trans: TranslationBundle
): void {
  let isOffered = false;
  const check = () => {
    if (isOffered === Boolean(store.status.continuity?.offered)) {
      return;
    }
    isOffered = !isOffered;
    if (!isOffered) {
      store.put({ offer: null });
      return;
    }
    actions.findOffer(offer => {
      const text = kept(offer, trans);
      if (text && isOffered) {
        store.put({ offer });
        window.setTimeout(() => {
          if (store.status.offer === offer && !isInSight()) {
            tell(commands, text, () => store.put({ offer: null }), trans);
          }
        }, LAUNCHER_MILLISECONDS);
      }
    });
  };
  store.changed.connect(check);
  check();
}

/** “Not now” leaves it in the panel. */
function tell(
  commands: CommandRegistry,
  text: string,
  decline: () => void,
  trans: TranslationBundle
): void {
  Notification.info(text, {
    autoClose: false,
    actions: [
      {
        label: trans.__('Continue where you were'),
        displayType: 'accent',
        callback: () => void commands.execute(CONTINUE)
      },
      {
        label: trans.__('Choose…'),
        callback: () => void commands.execute(CONTINUE, { chooses: true })
      },
      { label: trans.__('Not now'), callback: decline }
    ]
  });
}
