/** The projects on the launcher: what of them is not committed, and a click that opens one. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { shown } from '../server/paths';
import { type Project, recentProjects, type Status } from '../status/model';
import { Button, Section, State } from '../widgets/parts';

const MOST = 8;

interface Props {
  status: Status;
  isOffline: boolean;
  trans: TranslationBundle;
  open: (folder: string) => void;
}

/** The latest projects, one row each; a word on how they come about if there are none. */
export function Projects(props: Props): React.ReactElement | null {
  const { status, ...others } = props;
  const { trans } = props;
  if (!status.projects) {
    return null;
  }
  const projects = recentProjects(status, MOST).filter(({ state }) => state !== 'gone');
  return (
    <Section title={trans.__('Projects')}>
      {projects.length === 0 && (
        <p className="jp-DbxAgents-quiet">
          {trans.__('No projects yet. What you commit in one is copied to your workspace.')}
        </p>
      )}
      <ul className="jp-DbxAgents-projects">
        {projects.map(project => (
          <Row key={project.name} project={project} {...others} />
        ))}
      </ul>
    </Section>
  );
}

function Row(props: { project: Project } & Omit<Props, 'status'>): React.ReactElement {
  const { project, isOffline, trans, open } = props;
  const { name, folder = '', work } = project;
  const { text, state } = stateOf(project, trans);
  return (
    <li>
      <span className="jp-DbxAgents-name" title={shown(folder)}>
        {name}
      </span>
      <span className="jp-DbxAgents-quiet jp-DbxAgents-name">{work?.branch}</span>
      <span title={project.message}>
        <State state={state} text={text} trans={trans} />
      </span>
      <Button
        label={trans.__('Open')}
        isBusy={isOffline}
        name={trans.__('Open %1, with a terminal', name)}
        onClick={() => open(folder)}
      />
    </li>
  );
}

/** What is in the workspace says nothing of what is not committed. */
function stateOf(
  { state, work }: Project,
  trans: TranslationBundle
): { state: string; text: string | undefined } {
  const count = work?.files ?? 0;
  if (count && ['synced', 'empty'].includes(state)) {
    const text = trans._n('%1 not committed', '%1 not committed', count);
    return { state: 'uncommitted', text };
  }
  return { state, text: state === 'synced' ? trans.__('in workspace') : undefined };
}

/** Show a project's folder in the file browser, as far as that reaches. */
export async function browse({ commands }: JupyterFrontEnd, path: string): Promise<void> {
  if (path) {
    await commands.execute('filebrowser:open-path', { path });
  }
}
