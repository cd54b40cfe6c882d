/** What runs in the terminals, first what needs the owner; the notebook kernels, and the memory. */

import * as React from 'react';
import { doingOf, nameOf, needsOf, sessionsOf } from '../attention/needs';
import { type AgentSession, programIn, type Status } from '../status/model';
import { ageText, byteText } from '../text';
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
  const { session, store, trans } = props;
  const now = useNow();
  const isNeed = needsOf({ attention: [session] }).length > 0;
  const age = session.since ? ageText(session.since, now) : '';
  const state = `${doingOf(session, trans)} ${age}`;
  return (
    <li className="jp-DbxAgents-line" data-needs-you={isNeed || undefined}>
      <span className="jp-DbxAgents-grow">
        {titleOf(session, store.status, props)}{' '}
        {session.state && <State state={session.state} text={state} trans={trans} />}
        {session.text && <div className="jp-DbxAgents-quiet">{session.text}</div>}
      </span>
      <Buttons {...props} />
    </li>
  );
}

function titleOf(session: AgentSession, status: Status, { trans }: Context): React.ReactNode {
  if (session.agent || session.terminal === null) {
    return nameOf(status, session, trans);
  }
  return (
    <>
      {trans.__('Terminal %1', session.terminal)}{' '}
      <span className="jp-DbxAgents-quiet">{programIn(status, session.terminal)}</span>
    </>
  );
}

function Buttons(props: Context & { session: AgentSession }): React.ReactElement | null {
  const { session, actions, terminals, trans } = props;
  const { terminal } = session;
  if (terminal === null) {
    return ['done', 'failed'].includes(session.state) ? (
      <Button label={trans.__('Dismiss')} onClick={() => actions.dismiss(session)} />
    ) : null;
  }
  return (
    <>
      <Button
        label={trans.__('Show')}
        name={trans.__('Show terminal %1', terminal)}
        onClick={() => actions.openTerminal(terminal)}
      />
      <Button
        label={trans.__('End')}
        name={trans.__('End terminal %1', terminal)}
        onClick={() => actions.endTerminal(terminal, terminals)}
      />
    </>
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
