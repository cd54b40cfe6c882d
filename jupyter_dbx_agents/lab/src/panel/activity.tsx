/** Where model calls go and how many, the projects, the terminals and the memory. */

import * as React from 'react';
import { latencies, type Usage as UsageModel, usageKey } from '../model';
import { byteText, countText } from '../text';
import type { Context } from './panel';
import { Button, Chart, Said, Section, State } from './parts';

const MOST_POINTS = 30;

export function Models({ store, trans }: Context): React.ReactElement | null {
  const { gateway, workspace } = store.status;
  if (!gateway || !workspace) {
    return null;
  }
  return (
    <Section title={trans.__('Model calls')}>
      <p>{gateway.kind}</p>
      <Said message={gateway.reason} hint="" />
      <Usage store={store} trans={trans} />
    </Section>
  );
}

function Usage({ store, trans }: Pick<Context, 'store' | 'trans'>): React.ReactElement | null {
  const usage = store.status.usage;
  const recent = useLatencies(Array.isArray(usage) ? usage : []);
  if (!Array.isArray(usage) || !usage.length) {
    return null;
  }
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{trans.__('Agent')}</th>
          <th scope="col">{trans.__('Calls')}</th>
          <th scope="col">{trans.__('Tokens in / out')}</th>
          <th scope="col">{trans.__('Latency')}</th>
        </tr>
      </thead>
      <tbody>
        {usage.map(row => (
          <UsageRow key={usageKey(row)} row={row} recent={recent[usageKey(row)]} trans={trans} />
        ))}
      </tbody>
    </table>
  );
}

function UsageRow(props: {
  row: UsageModel;
  recent: number[] | undefined;
  trans: Context['trans'];
}): React.ReactElement {
  const { row, recent, trans } = props;
  return (
    <tr>
      <th scope="row" title={row.model}>
        {row.agent}
      </th>
      <td>
        {countText(row.calls)}
        {row.errors ? ` (${trans.__('%1 failed', row.errors)})` : ''}
      </td>
      <td>
        {countText(row.input_tokens ?? 0)} / {countText(row.output_tokens ?? 0)}
      </td>
      <td>
        {row.mean_seconds !== undefined && `${row.mean_seconds.toFixed(1)} s `}
        {recent && recent.length > 1 && (
          <Chart values={recent} label={trans.__('Latency of the last calls')} />
        )}
      </td>
    </tr>
  );
}

/** The latencies seen since the panel was opened, the newest last. */
function useLatencies(usage: UsageModel[]): Record<string, number[]> {
  const seen = React.useRef<{ usage: UsageModel[]; recent: Record<string, number[]> }>({
    usage: [],
    recent: {}
  });
  if (usage !== seen.current.usage) {
    for (const [key, seconds] of Object.entries(latencies(seen.current.usage, usage))) {
      seen.current.recent[key] = [...(seen.current.recent[key] ?? []), seconds].slice(-MOST_POINTS);
    }
    seen.current.usage = usage;
  }
  return seen.current.recent;
}

export function Projects({ store, actions, trans }: Context): React.ReactElement | null {
  const projects = store.status.projects;
  if (!Array.isArray(projects)) {
    return null;
  }
  return (
    <Section title={trans.__('Projects')}>
      <ul>
        {projects.map(project => (
          <li key={project.name}>
            <div className="jp-DbxAgents-line">
              <span className="jp-DbxAgents-grow" title={project.destination}>
                {project.name}
              </span>
              <State state={project.state} />
              <Button
                label={trans.__('Sync now')}
                name={trans.__('Sync %1 now', project.name)}
                onClick={() => actions.sync(project.name)}
              />
            </div>
            {project.state === 'syncing' && Boolean(project.count) && (
              <progress aria-label={project.name} max={project.count} value={project.done ?? 0} />
            )}
            <Said message={project.message} hint={project.hint} />
          </li>
        ))}
      </ul>
      <Restorable actions={actions} trans={trans} />
    </Section>
  );
}

/** What is in the workspace and not here; asked for by a click, since it costs a search there. */
function Restorable({ actions, trans }: Pick<Context, 'actions' | 'trans'>): React.ReactElement {
  const [names, setNames] = React.useState<string[] | null>(null);
  const find = () => actions.findRestorable(setNames);
  return (
    <>
      {names?.length === 0 && <p>{trans.__('All that is in the workspace is here.')}</p>}
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
      <Button label={trans.__('Find projects to restore')} onClick={find} />
    </>
  );
}

export function Terminals({
  store,
  actions,
  terminals,
  trans
}: Context): React.ReactElement | null {
  const running = [...terminals.running()];
  const kernels = store.status.sessions?.kernels ?? 0;
  if (!running.length && !kernels) {
    return null;
  }
  return (
    <Section title={trans.__('Sessions')}>
      <ul>
        {running.map(terminal => (
          <li key={terminal.name} className="jp-DbxAgents-line">
            <span className="jp-DbxAgents-grow">{programOf(terminal)}</span>
            <Button
              label={trans.__('Show')}
              name={trans.__('Show terminal %1', terminal.name)}
              onClick={() => actions.openTerminal(terminal.name)}
            />
          </li>
        ))}
      </ul>
      {kernels > 0 && <p>{trans._n('%1 notebook kernel', '%1 notebook kernels', kernels)}</p>}
    </Section>
  );
}

function programOf(terminal: { name: string; foreground?: string }): string {
  return terminal.foreground ? `${terminal.name}: ${terminal.foreground}` : terminal.name;
}

export function Memory({ store, trans }: Context): React.ReactElement | null {
  const memory = store.status.memory;
  if (!memory || typeof memory.used_bytes !== 'number') {
    return null;
  }
  const { used_bytes: used, limit_bytes: limit } = memory;
  return (
    <Section title={trans.__('Memory')}>
      {limit ? (
        <meter max={limit} high={limit * 0.85} value={used} aria-label={trans.__('Memory')} />
      ) : null}
      <p>{limit ? trans.__('%1 of %2', byteText(used), byteText(limit)) : byteText(used)}</p>
    </Section>
  );
}
