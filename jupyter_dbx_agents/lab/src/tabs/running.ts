/**
 * JupyterLab's list of what is running, with the names and icons of the tabs.
 *
 * It calls each terminal `terminals/NAME` (`addRunningSessionManager` in `index.ts` of
 * `@jupyterlab/terminal-extension`, 4.6).  A manager of the list cannot be replaced, so what it
 * returns is.  This may go when JupyterLab lists terminals by the titles of their tabs.
 */

import type { IRunningSessionManagers, IRunningSessions } from '@jupyterlab/running';
import type { ServiceManager } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { agentIn, nameIn } from '../status/names';
import type { IStatusStore } from '../status/store';
import { iconOf } from '../widgets/icons';

type Terminals = ServiceManager.IManager['terminals'];

const LABEL = /^terminals\/(\w+)$/;

/** Name the terminals in JupyterLab's list as they are named elsewhere. */
export function nameRunning(
  managers: IRunningSessionManagers,
  terminals: Terminals,
  store: IStatusStore,
  trans: TranslationBundle
): void {
  const { runningChanged } = terminals;
  const rename = (): void => {
    const manager = managers.items().find(each => each.runningChanged === runningChanged);
    if (manager) {
      managers.added.disconnect(rename);
      const running = manager.running.bind(manager);
      manager.running = options => running(options).map(item => named(item, store, trans));
      redrawWithNames(terminals, store, trans);
    }
  };
  managers.added.connect(rename); // by a plug-in that may come later
  rename();
}

/**
 * Redraw the list when a name has changed: it listens to this signal only.
 *
 * The status bar counts the terminals that the signal names, so it has those that run.
 */
function redrawWithNames(
  terminals: Terminals,
  store: IStatusStore,
  trans: TranslationBundle
): void {
  const { runningChanged } = terminals;
  let drawn = '';
  store.changed.connect(() => {
    const { status } = store;
    const names = (status.terminals ?? []).map(({ name }) => nameIn(status, name, trans));
    if (runningChanged instanceof Signal && names.join('\n') !== drawn) {
      drawn = names.join('\n');
      runningChanged.emit([...terminals.running()]);
    }
  });
}

function named(
  item: IRunningSessions.IRunningItem,
  store: IStatusStore,
  trans: TranslationBundle
): IRunningSessions.IRunningItem {
  const label = item.label();
  const terminal = LABEL.exec(typeof label === 'string' ? label : '')?.[1];
  if (!terminal) {
    return item;
  }
  const agent = agentIn(store.status, terminal);
  item.label = () => nameIn(store.status, terminal, trans);
  if (agent) {
    item.icon = () => iconOf(store.status, agent);
  }
  return item;
}
