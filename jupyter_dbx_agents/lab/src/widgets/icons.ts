/** Our icons; an agent's shows its initials, in a colour of its own. */

import { LabIcon } from '@jupyterlab/ui-components';
import { type Status, titleOf } from '../status/model';
import { initials } from '../text';

export const panelIcon = new LabIcon({
  name: 'dbx-agents:panel',
  // A prompt in a speech bubble: somebody who works in a terminal, and talks.
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g class="jp-icon3" fill="none" stroke="#616161" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"><path d="M5 4h14a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2z"/><path d="m7.5 8 2.5 2.5L7.5 13M12.5 13H16"/></g></svg>'
});

// Dark enough for white letters, in both themes.
const COLOURS = ['#b3462c', '#2a6fb0', '#2e7d4f', '#7a4fa3', '#8a6414', '#a83a6b', '#3d6b75'];
const icons = new Map<string, LabIcon>();

/** Return an agent's icon: the same one for the same name, colours in the order of first use. */
export function agentIcon(name: string, title: string): LabIcon {
  let icon = icons.get(name);
  if (!icon) {
    const colour = COLOURS[icons.size % COLOURS.length] ?? '';
    icon = new LabIcon({ name: `dbx-agents:agent-${name}`, svgstr: draw(initials(title), colour) });
    icons.set(name, icon);
  }
  return icon;
}

/** Return the icon of an agent of the status; colours are in the order of its list. */
export function iconOf(status: Status, name: string): LabIcon {
  for (const agent of status.agents ?? []) {
    agentIcon(agent.name, agent.title);
  }
  return agentIcon(name, titleOf(status, name));
}

function draw(letters: string, colour: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect x="2" y="2" width="20" height="20" rx="5" fill="${colour}"/><text x="12" y="16" text-anchor="middle" font-family="sans-serif" font-weight="bold" font-size="11" fill="#fff">${letters}</text></svg>`;
}
