/** A picture of where the sign-in ends: a page that cannot be opened, with its address marked. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

interface Props {
  redirectUrl: string;
  trans: TranslationBundle;
}

export function AddressPicture({ redirectUrl, trans }: Props): React.ReactElement {
  return (
    <svg
      className="jp-DbxAgents-picture"
      viewBox="0 0 400 84"
      role="img"
      aria-label={trans.__('A browser tab that cannot be opened; its address is marked')}
    >
      <rect x="1" y="1" width="398" height="82" rx="8" />
      <path d="M1 40h398M14 20h10m-6-5l-5 5l5 5M38 15a5 5 0 1 0 4 8" />
      <rect className="jp-mod-marked" x="56" y="9" width="330" height="22" rx="11" />
      <text className="jp-mod-marked" x="68" y="24">
        {`${redirectUrl}/?code=…&state=…`}
      </text>
      <text x="200" y="66" textAnchor="middle">
        {trans.__('This site can’t be reached')}
      </text>
    </svg>
  );
}
