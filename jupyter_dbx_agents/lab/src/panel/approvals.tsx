/** What agents ask before: a choice for all, and one for each. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Agent } from '../status/model';
import { Message } from '../widgets/parts';
import type { Context } from './context';

type Part = Pick<Context, 'actions' | 'trans'>;
type Words = Record<string, string>;

/** Return what a choice for all agents is called. */
function orders(trans: TranslationBundle): Words {
  return {
    own: trans.__('Each agent’s default'),
    ask: trans.__('Ask before edits and commands'),
    edits: trans.__('Edit freely, ask before commands'),
    everything: trans.__('Ask for nothing')
  };
}

/** Return what an agent's choice is called, in a narrow place. */
function habits(trans: TranslationBundle): Words {
  return {
    own: trans.__('Its default'),
    ask: trans.__('Asks'),
    edits: trans.__('Edits freely'),
    everything: trans.__('Asks for nothing')
  };
}

/** The choice for all agents, what some of them cannot do of it, and, folded, those for each. */
export function Approvals({ store, actions, trans }: Context): React.ReactElement | null {
  const { approvals, agents = [] } = store.status;
  const [isOpen, setOpen] = React.useState(false);
  if (!approvals?.holds) {
    return null;
  }
  const enabled = agents.filter(agent => agent.enabled !== false);
  return (
    <>
      <label className="jp-DbxAgents-line">
        <span className="jp-DbxAgents-agent">{trans.__('Approvals')}</span>
        <select
          className="jp-mod-styled"
          aria-label={trans.__('Approvals of all agents')}
          title={trans.__('What agents ask before, in new sessions')}
          value={approvals.holds}
          onChange={event => actions.changeAllApprovals(event.target.value || null)}
        >
          <Options kinds={Object.keys(orders(trans))} words={orders(trans)} />
          {approvals.chosen && <option value="">{trans.__('As configured')}</option>}
        </select>
      </label>
      {enabled.map(({ name, approvals }) =>
        approvals?.note ? (
          <Message key={name} message={approvals.note} hint={approvals.text} />
        ) : null
      )}
      <details onToggle={event => setOpen(event.currentTarget.open)}>
        <summary>{trans.__('Approvals of each agent')}</summary>
        <ul>
          {isOpen &&
            enabled.map(agent => (
              <AgentApprovals key={agent.name} agent={agent} actions={actions} trans={trans} />
            ))}
        </ul>
      </details>
    </>
  );
}

function AgentApprovals({ agent, actions, trans }: { agent: Agent } & Part): React.ReactElement {
  const { holds = 'own', chosen, possible = [], text } = agent.approvals ?? {};
  const change = (approvals: string | null) => actions.changeAgent(agent.name, { approvals });
  return (
    <li>
      <div className="jp-DbxAgents-line">
        <span className="jp-DbxAgents-agent">{agent.title}</span>
        <select
          className="jp-mod-styled"
          aria-label={trans.__('Approvals of %1', agent.title)}
          value={holds}
          onChange={event => change(event.target.value || null)}
        >
          <Options kinds={possible} words={habits(trans)} />
          {chosen && <option value="">{trans.__('As for all agents')}</option>}
        </select>
      </div>
      <p className="jp-DbxAgents-quiet">{text}</p>
    </li>
  );
}

function Options({ kinds, words }: { kinds: string[]; words: Words }): React.ReactElement {
  return (
    <>
      {kinds.map(kind => (
        <option key={kind} value={kind}>
          {words[kind] ?? kind}
        </option>
      ))}
    </>
  );
}
