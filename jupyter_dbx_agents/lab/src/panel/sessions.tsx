/** The terminals with their programs, the number of kernels, and the memory in use. */

import * as React from 'react';
import { programIn } from '../status/model';
import { byteText } from '../text';
import type { Context } from './context';
import { Button, Section } from './parts';

// Above this the platform may soon end the container.
const HIGH_SHARE = 0.85;

export function Sessions({ store, actions, terminals, trans }: Context): React.ReactElement | null {
  const running = [...terminals.running()];
  const kernels = store.status.sessions?.kernels ?? 0;
  if (!running.length && !kernels) {
    return null;
  }
  return (
    <Section title={trans.__('Sessions')}>
      <ul>
        {running.map(({ name }) => (
          <li key={name} className="jp-DbxAgents-line">
            <span className="jp-DbxAgents-grow">
              {trans.__('Terminal %1', name)}{' '}
              <span className="jp-DbxAgents-quiet">{programIn(store.status, name)}</span>
            </span>
            <Button
              label={trans.__('Show')}
              name={trans.__('Show terminal %1', name)}
              onClick={() => actions.openTerminal(name)}
            />
          </li>
        ))}
      </ul>
      {kernels > 0 && <p>{trans._n('%1 notebook kernel', '%1 notebook kernels', kernels)}</p>}
    </Section>
  );
}

export function Memory({ store, trans }: Context): React.ReactElement | null {
  const memory = store.status.memory;
  if (!memory || typeof memory.used_bytes !== 'number') {
    return null;
  }
  const { used_bytes: used, limit_bytes: limit } = memory;
  if (!limit) {
    return (
      <Section title={trans.__('Memory')}>
        <p>{trans.__('%1 in use', byteText(used))}</p>
      </Section>
    );
  }
  const isHigh = used > limit * HIGH_SHARE;
  return (
    <Section title={trans.__('Memory')}>
      <meter max={limit} high={limit * HIGH_SHARE} value={used} aria-label={trans.__('Memory')} />
      <p>{trans.__('%1 of %2', byteText(used), byteText(limit))}</p>
      {isHigh && (
        <p className="jp-DbxAgents-bad">
          {trans.__('Memory is almost full. Close a terminal or kernel.')}
        </p>
      )}
    </Section>
  );
}
