/**
 * Commands by which one plug-in uses another.
 *
 * A plug-in that is switched off does not register its own, so check `hasCommand` first.
 */

export const OPEN_PANEL = 'dbx-agents:open-panel';
export const NEXT_NEED = 'dbx-agents:next-need';
export const RENAME_TERMINAL = 'dbx-agents:rename-terminal';
export const CONTINUE = 'dbx-agents:continue';
export const ENTER_TOKEN = 'dbx-agents:enter-token';

/** Return the command that starts an agent in a terminal of its own. */
export function startCommand(agent: string): string {
  return `dbx-agents:start-${agent}`;
}
