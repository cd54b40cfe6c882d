/** What runs, on the launcher: a click on a card goes there. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { terminalIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { isNeed, sessionsOf } from '../attention/needs';
import { shown } from '../server/paths';
import type { AgentSession, Status } from '../status/model';
import { nameOf } from '../status/names';
import { ageText } from '../text';
import { iconOf } from '../widgets/icons';
import { Section, State, useNow } from '../widgets/parts';

interface Props {
  status: Status;
  /** The names of the open terminals. */
  terminals: string[];
  trans: TranslationBundle;
  goTo: (session: AgentSession) => void;
}

/** A card a session, first what needs its owner; nothing if nothing runs. */
export function Running({ status, terminals, trans, goTo }: Props): React.ReactElement | null {
  const sessions = sessionsOf(status, terminals);
  if (!sessions.length) {
    return null;
  }
  return (
    <Section title={trans.__('Running')}>
      <ul className="jp-DbxAgents-running">
        {sessions.map(session => (
          <li key={session.id}>
            <SessionCard session={session} status={status} trans={trans} goTo={goTo} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

type CardProps = Omit<Props, 'terminals'> & { session: AgentSession };

function SessionCard({ session, status, trans, goTo }: CardProps): React.ReactElement {
  const { agent, state, text, folder = '' } = session;
  const icon = agent ? iconOf(status, agent) : terminalIcon;
  return (
    <button
      type="button"
      title={folder ? shown(folder) : undefined}
      data-needs-you={isNeed(session) || undefined}
      onClick={() => goTo(session)}
    >
      <icon.react tag="span" width="20px" height="20px" />
      <span>
        <span className="jp-DbxAgents-name">{nameOf(status, session, trans)}</span>
        {state && <Doing session={session} trans={trans} />}
        {(text || !state) && (
          <span className="jp-DbxAgents-quiet jp-DbxAgents-name">{text || shown(folder)}</span>
        )}
      </span>
    </button>
  );
}

/** The state with its age, which alone is drawn again as time passes. */
function Doing(props: { session: AgentSession } & Pick<Props, 'trans'>): React.ReactElement {
  const { session, trans } = props;
  const now = useNow();
  const age = session.since ? ageText(session.since, now) : '';
  return <State state={session.state} age={age} trans={trans} />;
}
