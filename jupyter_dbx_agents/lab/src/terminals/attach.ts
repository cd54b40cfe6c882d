/** What each terminal of this page gets, as soon as it is opened. */

import type { MainAreaWidget } from '@jupyterlab/apputils';
import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Settings } from '../settings';
import type { StatusStore } from '../status/store';
import { allowCopy } from './clipboard';
import { Connection } from './connection';
import { takePaths } from './drop_paths';
import { acknowledge } from './flow';
import { showHint } from './hint';
import { Line } from './link';
import type { RunningPoll } from './running_poll';
import { TabName } from './tab_name';
import { takeFiles } from './upload';
import { xtermOf } from './xterm';

/** What a terminal's tab needs of JupyterLab. */
export interface Lab {
  openAnother: () => Promise<unknown>;
  pathOf: (contentsPath: string) => string;
  running: RunningPoll;
}

/** Attach everything to a terminal's tab. */
export async function attach(
  panel: MainAreaWidget<ITerminal.ITerminal>,
  { openAnother, pathOf, running }: Lab,
  store: StatusStore,
  settings: Settings,
  trans: TranslationBundle
): Promise<void> {
  const { content, node } = panel;
  const ready = xtermOf(content);
  const line = new Line(content.session);
  acknowledge(content.session, ready);
  new TabName(content, store, () => settings.followProgram);
  takeFiles(content, node, () => settings.uploadPasted, trans);
  takePaths(content, node, pathOf);
  const xterm = await ready;
  if (content.isDisposed) {
    return;
  }
  const connection = new Connection(content, xterm, line, store, trans, node, openAnother, running);
  if (xterm) {
    allowCopy(xterm, () => settings.copyFromPrograms && !connection.isReplaying, trans);
  }
  if (settings.firstHint) {
    settings.hintIsShown();
    await store.known;
    const agents = store.status.agents ?? [];
    const commands = agents.filter(agent => agent.enabled !== false).map(agent => agent.command);
    showHint(node, commands, trans, () => {
      settings.hintWasRead();
      content.activate();
    });
  }
}
