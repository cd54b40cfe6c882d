/** The projects: the state of their sync, files that are not copied, and what can be restored. */

import * as React from 'react';
import { nextTryOf, type Project, progressOf, type Restorable } from '../status/model';
import { whenText } from '../text';
import { ActingButton, Button, Message, Remarks, Section, State } from '../widgets/parts';
import type { Context } from './context';

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
            'No projects here yet. Commits in repositories under ~/projects are copied to your workspace.'
          )}
        </p>
      )}
      <ul>
        {projects.map(project => (
          <ProjectLine key={project.name} project={project} actions={actions} trans={trans} />
        ))}
      </ul>
      <OnlyInWorkspace here={projects} actions={actions} trans={trans} />
    </Section>
  );
}

function ProjectLine({ project, actions, trans }: { project: Project } & Part): React.ReactElement {
  const { name, state, history } = project;
  const { safeAt, files } = progressOf(project);
  const nextTry = nextTryOf(project);
  const uncommitted = project.work?.files ?? 0;
  return (
    <li>
      <div className="jp-DbxAgents-line">
        <Name name={name} destination={project.destination} />
        {/* What is in the workspace says nothing of what is not committed. */}
        {!(uncommitted && state === 'synced') && <State state={state} trans={trans} />}
        {uncommitted > 0 && (
          <State
            state="uncommitted"
            text={trans._n('%1 not committed', '%1 not committed', uncommitted)}
            trans={trans}
          />
        )}
      </div>
      <div className="jp-DbxAgents-line">
        <span className="jp-DbxAgents-grow jp-DbxAgents-quiet" title={history?.commit}>
          {safeAt && trans.__('Safe at %1', whenText(safeAt))}
        </span>
        {state === 'gone' && <Return name={name} actions={actions} trans={trans} />}
        {!['gone', 'unfit'].includes(state) && (
          <ActingButton
            label={trans.__('Sync now')}
            name={trans.__('Sync %1 now', name)}
            act={() => actions.sync(name)}
          />
        )}
      </div>
      {state === 'syncing' && files && (
        <p className="jp-DbxAgents-quiet">
          {trans.__('Files: %1 of %2', ...files)}{' '}
          <progress aria-label={name} max={files[1]} value={files[0]} />
        </p>
      )}
      <Message message={project.message} hint={project.hint} isBad={state === 'refused'} />
      <Message message={history?.message} hint="" />
      <Message message={history?.note} hint="" />
      <Message message={project.work?.message} hint="" />
      {nextTry && (
        <p className="jp-DbxAgents-quiet">{trans.__('Next try at %1', whenText(nextTry))}</p>
      )}
      <Remarks
        title={trans._n(
          '%1 file not copied',
          '%1 files not copied',
          project.skipped_count ?? project.skipped?.length ?? 0
        )}
        remarks={project.skipped}
      />
      <Remarks title={trans.__('Differs from git')} remarks={project.notes} />
      <Remarks title={trans.__('Not saved until you commit it')} remarks={project.work?.left_out} />
    </li>
  );
}

/** A project's name on one line, however long it is; its title has the whole of it. */
function Name(props: { name: string; destination?: string | undefined }): React.ReactElement {
  const title = [props.name, props.destination].filter(Boolean).join('\n');
  return (
    <span className="jp-DbxAgents-name" title={title}>
      {props.name}
    </span>
  );
}

/** The two ways out for a project that is only in the workspace. */
function Return(props: { name: string; then?: () => void } & Part): React.ReactElement {
  const { name, actions, trans } = props;
  const then = props.then ?? (() => undefined);
  return (
    <>
      <Button
        label={trans.__('Restore')}
        name={trans.__('Restore %1', name)}
        onClick={() => actions.restore(name, then)}
      />
      <Button
        label={trans.__('Forget…')}
        name={trans.__('Forget %1', name)}
        onClick={() => actions.forget(name, then)}
      />
    </>
  );
}

/** Projects that are only in the workspace; found on a click, since it takes a search there. */
function OnlyInWorkspace({ here, actions, trans }: Part & { here: Project[] }): React.ReactElement {
  const [found, setFound] = React.useState<Restorable[] | null>(null);
  const find = () => actions.findRestorable(setFound);
  // A deleted one has a line of its own.
  const others = found?.filter(({ name }) => !here.some(project => project.name === name));
  return (
    <>
      {found?.length === 0 && <p>{trans.__('Every project in your workspace is already here.')}</p>}
      <ul>
        {others?.map(({ name, note }) => (
          <li key={name}>
            <div className="jp-DbxAgents-line">
              <Name name={name} />
            </div>
            <div className="jp-DbxAgents-buttons">
              <Return name={name} actions={actions} trans={trans} then={find} />
            </div>
            <Message message={note} hint="" />
          </li>
        ))}
      </ul>
      <Button label={trans.__('Restore from workspace…')} onClick={find} />
    </>
  );
}
