/** What there was before the machine lost everything, on top of the launcher: it can come back. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { kept } from '../continuity/kept';
import type { Status } from '../status/model';
import { Button, Section } from '../widgets/parts';

interface Props {
  status: Status;
  isOffline: boolean;
  trans: TranslationBundle;
  /** Bring everything back, or ask what. */
  comeBack: (chooses: boolean) => void;
  decline: () => void;
}

/** The offer with its answers; nothing without one. */
export function Before(props: Props): React.ReactElement | null {
  const { status, isOffline, trans, comeBack, decline } = props;
  if (!status.offer) {
    return null;
  }
  return (
    <div className="jp-DbxAgents-before">
      <Section title={trans.__('Continue where you were')}>
        <p>{kept(status.offer, trans)}</p>
        <div className="jp-DbxAgents-buttons">
          <Button
            label={trans.__('Continue')}
            name={trans.__('Continue where you were')}
            isBusy={isOffline}
            onClick={() => comeBack(false)}
          />
          <Button
            label={trans.__('Choose…')}
            name={trans.__('Choose what comes back')}
            isBusy={isOffline}
            onClick={() => comeBack(true)}
          />
          <Button label={trans.__('Not now')} onClick={decline} />
        </div>
      </Section>
    </div>
  );
}
