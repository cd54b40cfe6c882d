/** What agents ask before: a choice for all, and one for each. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Agent, Status } from '../status/model';
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

export function CommonApprovals({
  approvals,
  actions,
  trans
}: { approvals: Status['approvals'] } & Part): React.ReactElement | null {
  if (!approvals?.holds) {
    return null;
  }
  return (
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
  );
}

export function AgentApprovals({
  agent,
  actions,
  trans
}: { agent: Agent } & Part): React.ReactElement | null {
  const { holds, chosen, possible = [], text, note } = agent.approvals ?? {};
  if (!holds || possible.length < 2) {
    return null;
  }
  return (
    <select
      className="jp-mod-styled"
      title={[note, text].filter(Boolean).join('\n')}
      aria-label={trans.__('Approvals of %1', agent.title)}
      value={holds}
      onChange={event => actions.changeAgent(agent.name, { approvals: event.target.value || null })}
    >
      <Options kinds={possible} words={habits(trans)} />
      {chosen && <option value="">{trans.__('As for all agents')}</option>}
    </select>
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
