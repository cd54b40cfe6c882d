/** What runs in the terminals, first what needs the owner; the notebook kernels, and the memory. */

import { terminalIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { isNeed, sessionsOf } from '../attention/needs';
import { shown } from '../server/paths';
import type { AgentSession } from '../status/model';
import { nameOf } from '../status/names';
import { ageText, byteText } from '../text';
import { iconOf } from '../widgets/icons';
import { Button, Section, State, useNow } from '../widgets/parts';
import type { Context } from './context';

// Above this the platform may soon end the container.
const HIGH_SHARE = 0.85;

export function Sessions(context: Context): React.ReactElement | null {
  const { store, terminals, trans } = context;
  const { status } = store;
  const kernels = status.sessions?.kernels ?? 0;
  const sessions = sessionsOf(
    status,
    [...terminals.running()].map(({ name }) => name)
  );
  if (!sessions.length && !kernels) {
    return null;
  }
  return (
    <Section title={trans.__('Sessions')}>
      <ul>
        {sessions.map(session => (
          <Row key={session.id} session={session} {...context} />
        ))}
      </ul>
      {kernels > 0 && <p>{trans._n('%1 notebook kernel', '%1 notebook kernels', kernels)}</p>}
    </Section>
  );
}

function Row(props: Context & { session: AgentSession }): React.ReactElement {
  const { session, trans } = props;
  const now = useNow();
  const age = session.since ? ageText(session.since, now) : '';
  return (
    <li data-needs-you={isNeed(session) || undefined}>
      <div className="jp-DbxAgents-line">
        <Title {...props} />
        <EndButton {...props} />
      </div>
      <div className="jp-DbxAgents-quiet">
        {session.state ? (
          <State state={session.state} age={age} trans={trans} />
        ) : (
          shown(session.folder ?? '')
        )}
        {session.text && <div>{session.text}</div>}
      </div>
    </li>
  );
}

/** A session's icon and name, which lead to its terminal. */
function Title({
  session,
  store,
  actions,
  trans
}: Context & { session: AgentSession }): React.ReactElement {
  const { agent, terminal } = session;
  const icon = agent ? iconOf(store.status, agent) : terminalIcon;
  const name = nameOf(store.status, session, trans);
  const content = (
    <>
      <icon.react tag="span" className="jp-DbxAgents-icon" width="16px" height="16px" />
      {name}
    </>
  );
  if (terminal === null) {
    return <span className="jp-DbxAgents-grow">{content}</span>;
  }
  return (
    <button
      type="button"
      className="jp-DbxAgents-go jp-DbxAgents-grow"
      aria-label={trans.__('Show %1', name)}
      onClick={() => actions.openTerminal(terminal)}
    >
      {content}
    </button>
  );
}

/** What ends a terminal, or dismisses what is left of an agent in the background. */
function EndButton(props: Context & { session: AgentSession }): React.ReactElement | null {
  const { session, store, actions, terminals, trans } = props;
  const { terminal } = session;
  if (terminal === null) {
    return ['done', 'failed'].includes(session.state) ? (
      <Button label={trans.__('Dismiss')} onClick={() => actions.dismiss(session)} />
    ) : null;
  }
  return (
    <Button
      label={trans.__('End')}
      name={trans.__('End %1', nameOf(store.status, session, trans))}
      onClick={() => actions.endTerminal(terminal, terminals)}
    />
  );
}

export function Memory({ store, trans }: Context): React.ReactElement | null {
  const memory = store.status.memory;
  if (!memory || typeof memory.used_bytes !== 'number') {
    return null;
  }
  const { used_bytes: used, limit_bytes: limit } = memory;
  if (!limit) {
    return (
      <Section title={trans.__('Memory')}>
        <p>{trans.__('%1 in use', byteText(used))}</p>
      </Section>
    );
  }
  const isHigh = used > limit * HIGH_SHARE;
  return (
    <Section title={trans.__('Memory')}>
      <meter max={limit} high={limit * HIGH_SHARE} value={used} aria-label={trans.__('Memory')} />
      <p>{trans.__('%1 of %2', byteText(used), byteText(limit))}</p>
      {isHigh && (
        <p className="jp-DbxAgents-bad">
          {trans.__('Memory is almost full. Close a terminal or kernel.')}
        </p>
      )}
    </Section>
  );
}
