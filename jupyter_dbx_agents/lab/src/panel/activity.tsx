/** Where model calls go and how many, the projects, the terminals and the memory. */

import * as React from 'react';
import { byteText, countText } from '../text';
import type { Context } from './panel';
import { Button, Chart, Said, Section, State } from './parts';

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
          <tr key={row.agent}>
            <th scope="row">{row.agent}</th>
            <td>{countText(row.calls)}</td>
            <td>
              {countText(row.input_tokens ?? 0)} / {countText(row.output_tokens ?? 0)}
            </td>
            <td>
              {row.median_seconds !== undefined && `${row.median_seconds.toFixed(1)} s `}
              {row.recent_seconds && row.recent_seconds.length > 1 && (
                <Chart values={row.recent_seconds} label={trans.__('Latency of the last calls')} />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Projects({ store, actions, trans }: Context): React.ReactElement | null {
  const projects = store.status.projects;
  if (!Array.isArray(projects) || !projects.length) {
    return null;
  }
  return (
    <Section title={trans.__('Projects')}>
      <ul>
        {projects.map(project => (
          <li key={project.name}>
            <div className="jp-DbxAgents-line">
              <span className="jp-DbxAgents-grow">{project.name}</span>
              <State state={project.state} />
            </div>
            <Said
              message={project.message}
              hint={project.hint}
              isBad={project.state === 'failed'}
            />
            <div className="jp-DbxAgents-buttons">
              <Button
                label={trans.__('Sync now')}
                name={trans.__('Sync %1 now', project.name)}
                onClick={() => actions.sync(project.name)}
              />
              <Button
                label={trans.__('Restore')}
                name={trans.__('Restore %1', project.name)}
                onClick={() => actions.restore(project.name)}
              />
            </div>
          </li>
        ))}
      </ul>
    </Section>
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
