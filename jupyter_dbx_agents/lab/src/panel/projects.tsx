/** The projects: the state of their sync, files that are not copied, and what can be restored. */

import * as React from 'react';
import type { Project, Remark } from '../status/model';
import type { Context } from './context';
import { Button, Message, Section, State } from './parts';

type Part = Pick<Context, 'actions' | 'trans'>;

export function Projects({ store, actions, trans }: Context): React.ReactElement | null {
  const projects = store.status.projects;
  if (!projects) {
    return null;
  }
  return (
    <Section title={trans.__('Projects')}>
      {projects.length === 0 && (
        <p>
          {trans.__(
            'No projects yet. Commits in repositories under ~/projects are copied to your workspace.'
          )}
        </p>
      )}
      <ul>
        {projects.map(project => (
          <ProjectLine key={project.name} project={project} actions={actions} trans={trans} />
        ))}
      </ul>
      <Restorable actions={actions} trans={trans} />
    </Section>
  );
}

function ProjectLine({ project, actions, trans }: { project: Project } & Part): React.ReactElement {
  const { name, state } = project;
  return (
    <li>
      <div className="jp-DbxAgents-line">
        <span className="jp-DbxAgents-grow" title={project.destination}>
          {name}
        </span>
        <State state={state} trans={trans} />
        <Button
          label={trans.__('Sync now')}
          name={trans.__('Sync %1 now', name)}
          onClick={() => actions.sync(name)}
        />
      </div>
      {state === 'syncing' && Boolean(project.count) && (
        <progress aria-label={name} max={project.count} value={project.done ?? 0} />
      )}
      <Message message={project.message} hint={project.hint} isBad={state === 'refused'} />
      <Message message={project.history?.message} hint="" />
      <Remarks
        title={trans._n(
          '%1 file not copied',
          '%1 files not copied',
          project.skipped_count ?? project.skipped?.length ?? 0
        )}
        remarks={project.skipped}
      />
      <Remarks title={trans.__('Differs from git')} remarks={project.notes} />
    </li>
  );
}

/** Files with a reason each, folded; nothing if there are none. */
function Remarks(props: {
  title: string;
  remarks: Remark[] | undefined;
}): React.ReactElement | null {
  if (!Array.isArray(props.remarks) || !props.remarks.length) {
    return null;
  }
  return (
    <details>
      <summary>{props.title}</summary>
      <ul>
        {props.remarks.map(({ path, reason }) => (
          <li key={path}>
            <code>{path}</code> {reason}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Projects that are only in the workspace; found on a click, since it takes a search there. */
function Restorable({ actions, trans }: Part): React.ReactElement {
  const [names, setNames] = React.useState<string[] | null>(null);
  const find = () => actions.findRestorable(setNames);
  return (
    <>
      {names?.length === 0 && <p>{trans.__('Every project in your workspace is already here.')}</p>}
      <ul>
        {names?.map(name => (
          <li key={name} className="jp-DbxAgents-line">
            <span className="jp-DbxAgents-grow">{name}</span>
            <Button
              label={trans.__('Restore')}
              name={trans.__('Restore %1', name)}
              onClick={() => actions.restore(name, find)}
            />
          </li>
        ))}
      </ul>
      <Button label={trans.__('Restore from workspace…')} onClick={find} />
    </>
  );
}
