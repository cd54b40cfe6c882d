/** Start-up and install progress, and the agents with their switches. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import {
  type Agent,
  installOf,
  isInstallable,
  isReady,
  type ModelReport,
  modelProblems,
  type Task
} from '../status/model';
import { shortModel, tokenText } from '../text';
import { Select, Switch } from '../widgets/choices';
import { agentIcon } from '../widgets/icons';
import { Button, Message, Section, State } from '../widgets/parts';
import type { Context } from './context';

const INSTALL = 'install-';

export function Startup({ store, actions, trans }: Context): React.ReactElement | null {
  const open = (store.status.startup ?? []).filter(task => task.state !== 'done');
  if (!open.length) {
    return null; // the list of agents shows what is installed
  }
  return (
    <Section title={trans.__('Start-up')}>
      <ul>
        {open.map(task => (
          <TaskLine key={task.name} task={task} actions={actions} trans={trans} />
        ))}
      </ul>
    </Section>
  );
}

type TaskProps = { task: Task } & Pick<Context, 'actions' | 'trans'>;

function TaskLine({ task, actions, trans }: TaskProps): React.ReactElement {
  const isRunning = task.state === 'running';
  const agent = task.name.startsWith(INSTALL) ? task.name.slice(INSTALL.length) : '';
  return (
    <li>
      <div className="jp-DbxAgents-line">
        <span className="jp-DbxAgents-grow">{task.title}</span>
        <State state={task.state} trans={trans} />
      </div>
      {isRunning && <progress aria-label={task.title} max={1} value={task.progress ?? undefined} />}
      <Message message={task.message} hint={task.hint} isBad={task.state === 'failed'} />
      {task.state === 'failed' && agent && (
        <Button
          label={trans.__('Try again')}
          name={trans.__('Try again: %1', task.title)}
          onClick={() => actions.install(agent)}
        />
      )}
    </li>
  );
}

export function Agents(context: Context): React.ReactElement | null {
  const { store, actions, trans } = context;
  const agents = store.status.agents;
  if (!agents?.length) {
    return null;
  }
  return (
    <Section title={trans.__('Agents')}>
      <ul>
        {agents.map(agent => (
          <AgentLine
            key={agent.name}
            agent={agent}
            report={store.status.models?.[agent.name]}
            problems={modelProblems(store.status, agent.name)}
            isInstallable={isInstallable(agent, installOf(store.status, agent.name))}
            actions={actions}
            trans={trans}
          />
        ))}
      </ul>
      <Approvals {...context} />
    </Section>
  );
}

type LineProps = { agent: Agent; report: ModelReport | undefined } & Pick<
  Context,
  'actions' | 'trans'
>;

function AgentLine(
  props: LineProps & { problems: string[]; isInstallable: boolean }
): React.ReactElement {
  const { agent, report, problems, actions, trans } = props;
  const icon = agentIcon(agent.name, agent.title);
  return (
    <li>
      <div className="jp-DbxAgents-line jp-DbxAgents-model">
        <icon.react tag="span" width="16px" height="16px" />
        <span className="jp-DbxAgents-agent" title={`${agent.title} ${agent.version ?? ''}`.trim()}>
          {agent.title}
        </span>
        {agent.enabled !== false && <Model {...{ agent, report, actions, trans }} />}
        {props.isInstallable ? (
          <Button
            label="⤓"
            name={trans.__('Install %1', agent.title)}
            onClick={() => actions.install(agent.name)}
          />
        ) : (
          <Button
            label="▶"
            name={trans.__('Start %1', agent.title)}
            disabled={!isReady(agent) || !actions.canStart(agent.name)}
            onClick={() => actions.startAgent(agent.name)}
          />
        )}
        <Switch
          name={agent.title}
          title={trans.__('Turn %1 on or off', agent.title)}
          isOn={agent.enabled !== false}
          choose={enabled => actions.changeAgent(agent.name, { enabled })}
        />
      </div>
      {agent.not_followed?.map(path => (
        <p key={path} className="jp-DbxAgents-quiet">
          {trans.__('Not followed: %1 names another provider or key', path)}
        </p>
      ))}
      {problems.map(problem => (
        <Message key={problem} message={problem} hint="" isBad={report?.served === false} />
      ))}
      <Message message={agent.message} hint={agent.hint} isBad />
    </li>
  );
}

/** Return what a model takes, in words. */
function abilities(report: ModelReport, trans: TranslationBundle): string[] {
  const { context_tokens, output_tokens, sees_images, efforts } = report;
  return [
    context_tokens && trans.__('window %1', tokenText(context_tokens)),
    output_tokens && trans.__('output up to %1', tokenText(output_tokens)),
    sees_images === false && trans.__('no pictures'),
    sees_images && trans.__('pictures'),
    efforts?.length && trans.__('efforts: %1', efforts.join(' '))
  ].filter(words => typeof words === 'string');
}

function Model({ agent, report, actions, trans }: LineProps): React.ReactElement | null {
  const model = report?.model ?? agent.model ?? '';
  const models = [...new Set([model, ...(report?.alternatives ?? [])])].filter(Boolean);
  const about = [model, ...(report ? abilities(report, trans) : [])].join('\n');
  if (models.length < 2 && !agent.model_is_chosen) {
    return model ? (
      <span className="jp-DbxAgents-quiet jp-DbxAgents-name" title={about}>
        {shortModel(model)}
      </span>
    ) : null;
  }
  return (
    <Select
      name={trans.__('Model of %1', agent.title)}
      title={about}
      value={model}
      choose={chosen => actions.changeAgent(agent.name, { model: chosen || null })}
    >
      {models.map(one => (
        <option key={one} value={one}>
          {shortModel(one)}
        </option>
      ))}
      {agent.model_is_chosen && <option value="">{trans.__('Default')}</option>}
    </Select>
  );
}

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
function Approvals({ store, actions, trans }: Context): React.ReactElement | null {
  const { approvals, agents = [] } = store.status;
  if (!approvals?.holds) {
    return null;
  }
  const enabled = agents.filter(agent => agent.enabled !== false);
  return (
    <>
      <label className="jp-DbxAgents-line">
        <span className="jp-DbxAgents-agent">{trans.__('Approvals')}</span>
        <Select
          name={trans.__('Approvals of all agents')}
          title={trans.__('What agents ask before, in new sessions')}
          value={approvals.holds}
          choose={chosen => actions.changeAllApprovals(chosen || null)}
        >
          <Options kinds={Object.keys(orders(trans))} words={orders(trans)} />
          {approvals.chosen && <option value="">{trans.__('As configured')}</option>}
        </Select>
      </label>
      {enabled.map(({ name, approvals }) =>
        approvals?.note ? (
          <Message key={name} message={approvals.note} hint={approvals.text} />
        ) : null
      )}
      <details>
        <summary>{trans.__('Approvals of each agent')}</summary>
        <ul>
          {enabled.map(agent => (
            <AgentApprovals key={agent.name} agent={agent} actions={actions} trans={trans} />
          ))}
        </ul>
      </details>
    </>
  );
}

function AgentApprovals({ agent, actions, trans }: { agent: Agent } & Part): React.ReactElement {
  const { holds = 'own', chosen, possible = [], text } = agent.approvals ?? {};
  return (
    <li>
      <div className="jp-DbxAgents-line">
        <span className="jp-DbxAgents-agent">{agent.title}</span>
        <Select
          name={trans.__('Approvals of %1', agent.title)}
          value={holds}
          choose={kind => actions.changeAgent(agent.name, { approvals: kind || null })}
        >
          <Options kinds={possible} words={habits(trans)} />
          {chosen && <option value="">{trans.__('As for all agents')}</option>}
        </Select>
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
