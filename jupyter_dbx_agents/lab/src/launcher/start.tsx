/** What is started from the launcher: a folder, a first prompt, the agents and the terminal. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { terminalIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { shown } from '../server/paths';
import { type Agent, installOf, isReady, type Status } from '../status/model';
import { shortModel } from '../text';
import { agentIcon } from '../widgets/icons';
import { Button } from '../widgets/parts';
import { progressText } from './agents';
import { Card } from './parts';

interface Props {
  status: Status;
  agents: Agent[];
  folders: string[];
  folder: string;
  hasTerminals: boolean;
  /** Nothing can be started; a prompt can be written all the same. */
  isOffline: boolean;
  trans: TranslationBundle;
  choose: (folder: string) => void;
  createProject: () => void;
  startAgent: (agent: string, prompt: string) => void;
  startShell: () => void;
}

/** The section whose cards all start in the one folder that is chosen above them. */
export function Start(props: Props): React.ReactElement {
  const { agents, folder, hasTerminals, isOffline, trans } = props;
  const [prompt, setPrompt] = React.useState('');
  return (
    <section aria-label={trans.__('Start')}>
      <FolderLine {...props} />
      {agents.length > 0 && (
        <textarea
          className="jp-mod-styled"
          rows={1}
          aria-label={trans.__('First prompt')}
          placeholder={trans.__('What should it do? (optional)')}
          value={prompt}
          onChange={event => setPrompt(event.target.value)}
        />
      )}
      <ul className="jp-DbxAgents-cards">
        {agents.map(agent => (
          <li key={agent.name}>
            <AgentCard {...props} agent={agent} prompt={prompt.trim()} />
          </li>
        ))}
        {hasTerminals && (
          <li>
            <Card
              category="Other"
              icon={terminalIcon}
              title={trans.__('Open a terminal in %1', shown(folder))}
              label={trans.__('Terminal')}
              isOff={isOffline}
              onClick={props.startShell}
            />
          </li>
        )}
      </ul>
    </section>
  );
}

function FolderLine(props: Props): React.ReactElement {
  const { folders, folder, isOffline, trans, choose, createProject } = props;
  const id = React.useId();
  return (
    <div className="jp-DbxAgents-folderLine">
      <h2>
        <label htmlFor={id}>{trans.__('Start in')}</label>
      </h2>
      <select
        id={id}
        className="jp-mod-styled"
        value={folder}
        onChange={event => choose(event.target.value)}
      >
        {folders.map(path => (
          <option key={path} value={path}>
            {shown(path)}
          </option>
        ))}
      </select>
      <Button label={trans.__('+ New project')} isBusy={isOffline} onClick={createProject} />
    </div>
  );
}

type AgentCardProps = Props & { agent: Agent; prompt: string };

function AgentCard(props: AgentCardProps): React.ReactElement {
  const { agent, status, folder, prompt, isOffline, trans, startAgent } = props;
  const model = status.models?.[agent.name]?.model ?? agent.model ?? '';
  const isWithoutPrompt = Boolean(prompt) && agent.takes_prompt === false;
  const install = installOf(status, agent.name);
  const lines = isReady(agent)
    ? [
        shortModel(model),
        isWithoutPrompt ? trans.__("doesn't accept a first prompt") : asksText(agent, trans)
      ]
    : [trans.__('not installed yet'), install && progressText(install, trans)];
  return (
    <Card
      category="Agents"
      icon={agentIcon(agent.name, agent.title)}
      title={[trans.__('Start %1 in %2', agent.title, shown(folder)), model, agent.approvals?.text]
        .filter(Boolean)
        .join('\n')}
      label={agent.title}
      lines={lines}
      isOff={isOffline || isWithoutPrompt}
      onClick={() => startAgent(agent.name, prompt)}
    />
  );
}

/** Return in a word or two what an agent asks before; its title says it in full. */
function asksText({ approvals }: Agent, trans: TranslationBundle): string {
  switch (approvals?.holds) {
    case 'ask':
      return trans.__('asks');
    case 'edits':
      return trans.__('edits freely');
    case 'everything':
      return trans.__('asks for nothing');
    case 'own':
      return approvals.asks_first ? trans.__('asks') : trans.__('runs commands');
    default:
      return ''; // of a server of another version
  }
}
