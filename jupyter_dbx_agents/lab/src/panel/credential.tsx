/** The token: its state, its clocks, and its buttons. */

import * as React from 'react';
import { isNeeded, isOverdue, isUsable } from '../status/model';
import { clock, secondsUntil } from '../text';
import { Candidates } from '../token/candidates';
import type { Context } from './context';
import { Button, Message, Section, State, useNow } from './parts';

export function Credential({ store, actions, trans }: Context): React.ReactElement | null {
  const { pat, workspace } = store.status;
  if (!pat) {
    return null;
  }
  const usable = isUsable(pat);
  return (
    <Section title={trans.__('Token')}>
      <p>
        <State state={pat.state} trans={trans} /> {pat.user}
      </p>
      {/* The hint for a missing token is the button below. */}
      <Message
        message={pat.message}
        hint={isNeeded(store.status) ? '' : pat.hint}
        isBad={pat.state === 'retrying'}
      />
      {usable && (
        <p className="jp-DbxAgents-quiet jp-DbxAgents-facts">
          <NextRotation at={pat.next_rotation_at} trans={trans} />
          <Clock at={pat.expires_at} text={trans.__('Lives for another')} />
          <span>{trans._n('%1 rotation so far', '%1 rotations so far', pat.rotations)}</span>
        </p>
      )}
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
        {usable ? (
          <>
            <Button label={trans.__('Rotate now')} onClick={() => actions.rotate()} />
            <Button label={trans.__('Log out')} onClick={() => actions.logOut()} />
          </>
        ) : (
          <Button
            label={trans.__('Paste a token …')}
            disabled={!workspace || !actions.canEnterToken}
            onClick={() => actions.enterToken()}
          />
        )}
      </div>
    </Section>
  );
}

function NextRotation(
  props: { at: string | null } & Pick<Context, 'trans'>
): React.ReactElement | null {
  return isOverdue(props.at, useNow()) ? (
    <span>{props.trans.__('Rotates with the next terminal')}</span>
  ) : (
    <Clock at={props.at} text={props.trans.__('Rotates in')} />
  );
}

function Clock(props: { at: string | null; text: string }): React.ReactElement | null {
  const seconds = secondsUntil(props.at, useNow());
  return seconds === null ? null : (
    <span>
      {props.text} <span className="jp-DbxAgents-clock">{clock(seconds)}</span>
    </span>
  );
}
