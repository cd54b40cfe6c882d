/** Our icons; an agent's shows its initials, in a colour of its own. */

import { LabIcon } from '@jupyterlab/ui-components';
import { type Status, titleOf } from '../status/model';
import { initials } from '../text';

export const panelIcon = new LabIcon({
  name: 'dbx-agents:panel',
  // A prompt in a speech bubble: somebody who works in a terminal, and talks.
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" fill-rule="evenodd" d="M4 3h16a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2h-8l-5 4v-4H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM6.8 7.2 10 10.4l-3.2 3.2 1.3 1.3 4.5-4.5-4.5-4.5zM12.8 13h5v1.9h-5z"/></svg>'
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
