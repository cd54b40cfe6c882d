/** The tokens of which one was pasted, if the workspace could not identify it. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Candidate, Pasted } from '../status/model';

interface Props {
  pasted: Pasted;
  trans: TranslationBundle;
  revoke: (candidate: Candidate) => void;
}

/** The candidates, each with a button that revokes it; nothing if there are none. */
export function Candidates({ pasted, trans, revoke }: Props): React.ReactElement | null {
  if (pasted.state !== 'kept' || !pasted.candidates?.length) {
    return null;
  }
  return (
    <div className="jp-DbxAgents-candidates">
      <p>{pasted.message}</p>
      <ul>
        {pasted.candidates.map(candidate => (
          <li key={candidate.token_id}>
            <span>{describe(candidate, trans)}</span>
            <button type="button" className="jp-mod-styled" onClick={() => revoke(candidate)}>
              {trans.__('Revoke')}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function describe(candidate: Candidate, trans: TranslationBundle): string {
  const name = candidate.comment || trans.__('no comment');
  if (!candidate.created_at) {
    return name;
  }
  return trans.__('%1, created %2', name, new Date(candidate.created_at).toLocaleString());
}
