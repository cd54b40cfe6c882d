/**
 * The front end: plug-ins that share one token, `IStatusStore`, and the commands of
 * `status/commands.ts`.  Each can be switched off by its id, and the others go on; `:status` alone is
 * needed by all.  Folders import downwards: `server`, `status`, then the parts, then `panel`.
 *
 * - A status: `status/store.ts` requests it once and gets each change over a websocket; `changed`
 *   redraws `status/item.ts`, `panel/view.tsx`, the cards of `launcher/` and the terminals' names.
 * - A token: `token/flow.ts` sees that one is needed and opens `token/dialog.tsx`, which posts it by
 *   `server/requests.ts`; the reply is put into the store.
 * - A click in the panel: a section of `panel/view.tsx` calls `panel/actions.ts`, which sends a
 *   request, or executes a command of another plug-in.
 * - An agent's start: a card's command in `launcher/agents.ts` has the server start a terminal with
 *   the agent in its shell, and opens the tab.
 * - A terminal: `terminals/plugin.ts` adds the rest to each new tab; what is typed goes through
 *   `terminals/link.ts`, and `terminals/connection.ts` brings a lost one back.
 */

import { launcher } from './launcher/plugin';
import { panel } from './panel/plugin';
import { connectionLost, status, statusItem } from './status/plugin';
import { terminals } from './terminals/plugin';
import { token } from './token/plugin';

export { IStatusStore } from './status/store';

export default [status, statusItem, token, launcher, panel, terminals, connectionLost];
