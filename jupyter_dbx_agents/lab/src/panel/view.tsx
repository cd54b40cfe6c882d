/** The panel's content: a section for each part of the status that the server sends. */

import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import * as React from 'react';
import { Conversations } from '../continuity/conversations';
import { Continuity } from '../continuity/section';
import { ErrorBoundary } from '../widgets/errors';
import { Agents, Startup } from './agents';
import type { Context } from './context';
import { Credential } from './credential';
import { DatabricksTools } from './databricks';
import { McpServers } from './mcp';
import { Models } from './models';
import { Projects } from './projects';
import { Memory, Sessions } from './sessions';

// Work first, plumbing last.
const PARTS = {
  Sessions,
  Continuity,
  Projects,
  Conversations,
  Startup,
  Agents,
  McpServers,
  DatabricksTools,
  Models,
  Credential,
  Memory
};

/** Return the widget that follows the status. */
export function createView(context: Context): ReactWidget {
  const { store, terminals } = context;
  return ReactWidget.create(
    <UseSignal signal={store.changed}>
      {() => <UseSignal signal={terminals.runningChanged}>{() => <View {...context} />}</UseSignal>}
    </UseSignal>
  );
}

function offlineText({ store, trans }: Context): string {
  if (store.isConnected) {
    return '';
  }
  return store.isKnown
    ? trans.__('Offline · retrying. This is the last known state.')
    : trans.__('Waiting for the server…');
}

function View(context: Context): React.ReactElement {
  const { store, trans } = context;
  return (
    <>
      {/* Before its text, since only changes of what is there are announced. */}
      <p role="status" className="jp-DbxAgents-offline">
        {offlineText(context)}
      </p>
      {/* Without the server no button does anything. */}
      <fieldset disabled={!store.isConnected}>
        {Object.entries(PARTS).map(([name, Part]) => (
          <ErrorBoundary key={name} status={store.status} trans={trans}>
            <Part {...context} />
          </ErrorBoundary>
        ))}
      </fieldset>
      {store.status.workspace && (
        <p className="jp-DbxAgents-quiet">
          {store.status.workspace} · {store.status.version}
        </p>
      )}
    </>
  );
}
