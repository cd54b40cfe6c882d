/** What is kept of former starts, in words. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { Offer } from '../status/model';
import { byteText, whenText } from '../text';

/** Return what an offer has, '' if it has nothing. */
export function kept(offer: Offer, trans: TranslationBundle): string {
  const { projects, terminals = [], files = 0, bytes = 0, at } = offer;
  if (!projects.length && !files && !terminals.length) {
    return '';
  }
  const parts = [];
  if (projects.length) {
    parts.push(trans.__('Projects: %1.', projects.join(', ')));
  }
  if (terminals.length) {
    parts.push(trans.__('Terminals: %1.', terminals.join(', ')));
  }
  if (files && at) {
    const when = whenText(new Date(at));
    parts.push(
      trans.__(
        'Conversations and history: %1 files (%2), kept at %3.',
        files,
        byteText(bytes),
        when
      )
    );
  }
  return trans.__('Kept from an earlier start. %1', parts.join(' '));
}
