/**
 * The front end: plug-ins that share one token, `IStatusStore`, and the commands of
 * `status/commands.ts`.  Each can be disabled by its id, and the others work without it; only
 * `:status` is needed by all.  Imports go down: `menu`, `panel`, the other parts, `status`, `server`.
 *
 * - A status: `status/store.ts` requests it once and receives changes over a websocket; its signal
 *   redraws `status/item.ts`, `panel/view.tsx`, `launcher/home.tsx` and the terminals' names.
 * - A token: when one is needed, `token/flow.ts` opens `token/dialog.tsx` and posts what is pasted
 *   through `server/requests.ts`; the reply goes into the store.
 * - A click in the panel: a section of `panel/view.tsx` calls `panel/actions.ts`, which sends a
 *   request or executes a command of another plug-in.
 * - An agent: its card in `launcher/start.tsx`, or the palette, executes the command in
 *   `launcher/agents.ts`; the server starts the agent in a terminal, whose tab opens.
 * - A need: `attention/plugin.ts` puts each agent's state on its tab, counts those that need the
 *   owner in the page's title, and tells of each once, through `attention/teller.ts`.
 * - A name: `status/names.ts` makes it of the status, for `tabs/`, the panel, and all else that shows
 *   sessions; `tabs/rename.ts` sends the owner's to the server.
 * - A terminal: `terminals/plugin.ts` extends each new tab; input goes through `terminals/link.ts`,
 *   and `terminals/connection.ts` restores a lost connection.
 * - A phone: `phone/plugin.ts` folds the side bars and types the keys that a phone lacks.
 */

import { attention } from './attention/plugin';
import { files } from './files/plugin';
import { launcher } from './launcher/plugin';
import { menu } from './menu/plugin';
import { panel } from './panel/plugin';
import { phone } from './phone/plugin';
import { connectionLost, status, statusItem } from './status/plugin';
import { terminals } from './terminals/plugin';
import { token } from './token/plugin';

export { IStatusStore } from './status/store';

export default [
  status,
  statusItem,
  token,
  launcher,
  panel,
  menu,
  terminals,
  files,
  attention,
  phone,
  connectionLost
];
