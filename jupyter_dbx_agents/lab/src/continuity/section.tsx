/** Continue where you were: what is kept of former starts, on its way back, and of this one. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { isUsable, type Offer, type Step } from '../status/model';
import type { IStatusStore } from '../status/store';
import { whenText } from '../text';
import { Button, Message, Remarks, Section, State } from '../widgets/parts';
import type { KeptActions } from './actions';
import { Dotfiles } from './dotfiles';
import { kept } from './kept';

interface Props {
  store: IStatusStore;
  kept: KeptActions;
  trans: TranslationBundle;
}

export function Continuity({ store, kept: actions, trans }: Props): React.ReactElement | null {
  const [offer, setOffer] = React.useState<Offer | null>(null);
  const { continuity, pat } = store.status;
  const isConnected = isUsable(pat);
  const find = () => actions.findOffer(setOffer);
  const isComingBack = continuity?.steps?.some(step => step.state === 'waiting') ?? false;
  // Again when all is back, whoever has asked for it.
  React.useEffect(() => {
    if (isConnected && !isComingBack) {
      actions.findOffer(setOffer);
    }
  }, [isConnected, isComingBack, actions]);
  if (!continuity) {
    return null;
  }
  const { steps = [], kept_at } = continuity;
  const text = offer && kept(offer, trans);
  return (
    <Section title={trans.__('Continue where you were')}>
      {steps.length > 0 && <Steps steps={steps} trans={trans} />}
      {!isComingBack && text && (
        <>
          <p>{text}</p>
          <div className="jp-DbxAgents-buttons">
            <Button
              label={trans.__('Continue')}
              name={trans.__('Continue where you were')}
              onClick={() => actions.comeBack(find)}
            />
            <Button
              label={trans.__('Choose…')}
              name={trans.__('Choose what comes back')}
              onClick={() => actions.choose(offer, find)}
            />
          </div>
        </>
      )}
      <Message message={offer?.message} hint="" />
      <Message message={continuity.message} hint="" isBad />
      <Message message={continuity.unsent} hint="" isBad />
      {kept_at && (
        <p className="jp-DbxAgents-quiet">
          {trans.__('Conversations and history kept at %1', whenText(new Date(kept_at)))}
        </p>
      )}
      <Remarks title={trans.__('Not kept')} remarks={continuity.left_out} />
      {continuity.keeps === 'all' && (
        <Dotfiles
          names={continuity.dotfiles ?? []}
          onChange={(names, then) => actions.nameDotfiles(names, then)}
          trans={trans}
        />
      )}
      {kept_at && (
        <Button label={trans.__('Forget what is kept…')} onClick={() => actions.forgetKept(find)} />
      )}
    </Section>
  );
}

function Steps({ steps, trans }: { steps: Step[] } & Pick<Props, 'trans'>): React.ReactElement {
  return (
    <ul>
      {steps.map(({ kind, name, state, message }) => (
        <li key={`${kind} ${name}`}>
          <div className="jp-DbxAgents-line">
            <span className="jp-DbxAgents-name">{name}</span>
            <State state={state} trans={trans} />
          </div>
          <Message message={message} hint="" isBad={state === 'failed'} />
        </li>
      ))}
    </ul>
  );
}
