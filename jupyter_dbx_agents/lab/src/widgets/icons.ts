/** Our icons; an agent's shows its initials, in a colour of its own. */

import { LabIcon } from '@jupyterlab/ui-components';
import { initials } from '../text';

export const panelIcon = new LabIcon({
  name: 'dbx-agents:panel',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g class="jp-icon3" fill="none" stroke="#616161" stroke-width="2" stroke-linejoin="round"><path d="M12 3 3 8l9 5 9-5z"/><path d="m3 12.5 9 5 9-5"/><path d="m3 17 9 5 9-5"/></g></svg>'
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

function draw(letters: string, colour: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect x="2" y="2" width="20" height="20" rx="5" fill="${colour}"/><text x="12" y="16" text-anchor="middle" font-family="sans-serif" font-weight="bold" font-size="11" fill="#fff">${letters}</text></svg>`;
}
