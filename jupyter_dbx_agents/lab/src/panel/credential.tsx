/** The token: its state, its clocks, and its buttons. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { renewalOf } from '../status/item';
import { isNeeded, isUsable, type Pat } from '../status/model';
import { Candidates } from '../token/candidates';
import { ActingButton, Button, Message, Section, State, useNow } from '../widgets/parts';
import type { Context } from './context';

export function Credential({ store, actions, trans }: Context): React.ReactElement | null {
  const { pat, workspace } = store.status;
  if (!pat) {
    return null;
  }
  const usable = isUsable(pat);
  const needed = isNeeded(store.status);
  const text = stateText(pat, trans);
  return (
    <Section title={trans.__('Token')}>
      <p>
        <State state={pat.state} text={text} trans={trans} /> {text ? '' : pat.user}
      </p>
      {/* The hint for a missing token is the button below. */}
      <Message
        message={pat.message}
        hint={needed && !usable ? '' : pat.hint}
        isBad={pat.state === 'retrying' || (needed && usable)}
      />
      {usable && (
        <p className="jp-DbxAgents-quiet jp-DbxAgents-facts">
          <Renewal pat={pat} trans={trans} />
          <span>{trans._n('%1 renewal so far', '%1 renewals so far', pat.rotations)}</span>
        </p>
      )}
      {(pat.missing_scopes ?? []).map(({ scope, feature }) => (
        <Message
          key={scope}
          message={`${trans.__('The token lacks the scope “%1”.', scope)} ${feature}`}
          hint=""
        />
      ))}
      {pat.pasted && pat.pasted.state !== 'kept' && (
        <Message message={pat.pasted.message} hint="" />
      )}
      {pat.pasted && (
        <Candidates
          pasted={pat.pasted}
          trans={trans}
          revoke={candidate => actions.revokePasted(candidate.token_id)}
        />
      )}
      <div className="jp-DbxAgents-buttons">
        {usable && !needed && (
          <ActingButton label={trans.__('Renew token')} act={() => actions.rotate()} />
        )}
        {(usable || pat.is_signed_in) && (
          <Button label={trans.__('Log out')} onClick={() => actions.logOut()} />
        )}
        {(needed || !(usable || pat.is_signed_in)) && (
          <Button
            label={trans.__('Connect…')}
            disabled={!workspace || !actions.canEnterToken}
            onClick={() => actions.enterToken()}
          />
        )}
      </div>
    </Section>
  );
}

/** Return a sentence for the common states; undefined for others, whose word says enough. */
function stateText(pat: Pat, trans: TranslationBundle): string | undefined {
  switch (pat.state) {
    case 'active':
      return pat.user ? trans.__('Connected as %1', pat.user) : trans.__('Connected');
    case 'paused':
      return trans.__('Signed in as %1', pat.user);
    case 'needed':
      return isUsable(pat) ? trans.__('Sign in again') : trans.__('Not connected');
    default:
      return undefined;
  }
}

function Renewal({ pat, trans }: { pat: Pat } & Pick<Context, 'trans'>): React.ReactElement {
  return <span>{renewalOf(pat, trans, useNow())}</span>;
}
