/** What Help › Databricks Agents shows: what can be done here, and where. */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Status } from '../status/model';
import { nameDialog } from '../widgets/dialogs';

/** Show the dialog. */
export async function showHelp(status: Status, trans: TranslationBundle): Promise<void> {
  const title = trans.__('Databricks agents %1', status.version ?? '');
  const dialog = new Dialog({
    title,
    body: ReactWidget.create(<Help status={status} trans={trans} />),
    buttons: [Dialog.okButton({ label: trans.__('Close') })]
  });
  dialog.addClass('jp-DbxAgents-help-dialog');
  nameDialog(dialog, title);
  await dialog.launch();
}

interface Props {
  status: Status;
  trans: TranslationBundle;
}

function Help({ status, trans }: Props): React.ReactElement {
  const agents = (status.agents ?? []).filter(({ enabled }) => enabled !== false);
  const page = URLExt.join(PageConfig.getBaseUrl(), 'dbx-agents/');
  return (
    <>
      {status.workspace && <p>{status.workspace}</p>}
      <dl>
        <dt>{trans.__('Start an agent')}</dt>
        <dd>
          {trans.__('In the launcher (+), the Agents menu or the panel; or type in a terminal:')}{' '}
          {agents.map(({ name, command }) => (
            <code key={name}>{command} </code>
          ))}
        </dd>
        <dt>{trans.__('Go to the agent that needs you')}</dt>
        <dd>{trans.__('Alt+Shift+N, or a click in the status bar')}</dd>
        <dt>{trans.__('Keep your work')}</dt>
        <dd>
          {trans.__('What you commit under ~/projects is copied to your workspace within seconds.')}
        </dd>
        <dt>{trans.__('Find out what is wrong')}</dt>
        <dd>
          <code>jupyter dbx-agents doctor</code>
        </dd>
        <dt>{trans.__('All commands')}</dt>
        <dd>
          <code>jupyter dbx-agents --help</code>
        </dd>
        <dt>{trans.__('On a phone, or if this page does not load')}</dt>
        <dd>
          <a href={page} target="_blank" rel="noopener noreferrer">
            {page}
          </a>
        </dd>
      </dl>
    </>
  );
}
