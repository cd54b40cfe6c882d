/** What is kept of former starts, in words. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { Offer } from '../status/model';
import { byteText } from '../text';

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
    const when = new Date(at).toLocaleString();
    parts.push(
      trans.__('Conversations and history: %1 files (%2) of %3.', files, byteText(bytes), when)
    );
  }
  return trans.__('Kept of an earlier start. %1', parts.join(' '));
}
