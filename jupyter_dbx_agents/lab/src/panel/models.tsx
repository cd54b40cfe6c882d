/** Where model calls go, how many there were, and how long they took. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { latencies, titleOf, type Usage as UsageModel, usageKey } from '../status/model';
import { countText } from '../text';
import { Chart, Message, Section } from '../widgets/parts';
import type { Context } from './context';

// Of fewer a line says nothing.
const LEAST_POINTS = 5;
const MOST_POINTS = 30;

export function Models({ store, trans }: Context): React.ReactElement | null {
  const { gateway, workspace, tracing } = store.status;
  if (!gateway || !workspace) {
    return null;
  }
  return (
    <Section title={trans.__('Model calls')}>
      <p>{gatewayText(gateway.kind, trans)}</p>
      <p className="jp-DbxAgents-quiet">{gateway.reason}</p>
      {Object.entries(store.status.stand_ins ?? {}).map(([name, model]) => (
        <p key={name} className="jp-DbxAgents-quiet">
          {trans.__('%1 is not served; %2 is called instead', name, model)}
        </p>
      ))}
      <Usage store={store} trans={trans} />
      {tracing?.enabled && (
        <p>{trans.__('%1 traces in %2', tracing.traces ?? 0, tracing.experiment ?? '')}</p>
      )}
      <Message message={tracing?.message} hint="" isBad />
    </Section>
  );
}

function gatewayText(kind: string, trans: TranslationBundle): string {
  const texts: Record<string, string> = {
    'gateway-host': trans.__('Via the AI Gateway'),
    'workspace-gateway': trans.__("Via the workspace's AI Gateway"),
    'serving-endpoints': trans.__('Via serving endpoints, without an AI Gateway')
  };
  return texts[kind] ?? kind;
}

function Usage({ store, trans }: Pick<Context, 'store' | 'trans'>): React.ReactElement | null {
  const usage = store.status.usage;
  const recent = useLatencies(usage);
  if (!usage?.length) {
    return null;
  }
  const calls = usage.reduce((sum, row) => sum + row.calls, 0);
  return (
    <details>
      <summary>{trans._n('%1 call', '%1 calls', calls)}</summary>
      <UsageTable usage={usage} recent={recent} store={store} trans={trans} />
    </details>
  );
}

function UsageTable(
  props: { usage: UsageModel[]; recent: Record<string, number[]> } & Pick<
    Context,
    'store' | 'trans'
  >
): React.ReactElement {
  const { usage, recent, store, trans } = props;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{trans.__('Agent')}</th>
          <th scope="col">{trans.__('Calls')}</th>
          <th scope="col" title={trans.__('Tokens in / out')}>
            {trans.__('Tokens')}
          </th>
          <th scope="col">{trans.__('Latency')}</th>
        </tr>
      </thead>
      <tbody>
        {usage.map(row => (
          <UsageRow
            key={usageKey(row)}
            row={row}
            title={titleOf(store.status, row.agent)}
            recent={recent[usageKey(row)]}
            trans={trans}
          />
        ))}
      </tbody>
    </table>
  );
}

function UsageRow(props: {
  row: UsageModel;
  title: string;
  recent: number[] | undefined;
  trans: TranslationBundle;
}): React.ReactElement {
  const { row, title, recent, trans } = props;
  const [input, output] = [countText(row.input_tokens ?? 0), countText(row.output_tokens ?? 0)];
  return (
    <tr>
      <th scope="row">
        {title}
        <div className="jp-DbxAgents-quiet">{row.model || trans.__('unknown model')}</div>
        {row.last_error && (
          <div className="jp-DbxAgents-quiet">{trans.__('Last failure: %1', row.last_error)}</div>
        )}
      </th>
      <td>
        {countText(row.calls)}
        {row.errors ? (
          <span className="jp-DbxAgents-bad"> {trans.__('%1 failed', row.errors)}</span>
        ) : null}
      </td>
      <td title={trans.__('%1 in, %2 out', input, output)}>
        {input} / {output}
      </td>
      <td>
        {row.mean_seconds !== undefined && `${row.mean_seconds.toFixed(1)} s`}
        {recent && recent.length >= LEAST_POINTS && (
          <Chart values={recent} label={trans.__('Latency of the last calls')} />
        )}
      </td>
    </tr>
  );
}

/** Return the latencies in seconds since the panel was opened, the newest last. */
function useLatencies(usage: UsageModel[] = []): Record<string, number[]> {
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
