/** What there is to choose on the launcher: pure functions. */

import type { ILauncher } from '@jupyterlab/launcher';
import { recentProjects, type Status } from '../status/model';

export type Item = ILauncher.IItemOptions;

// Those of JupyterLab's own launcher.
const RANKS: Record<string, number> = { Notebook: 0, Console: 20, Other: 100, '': 100 };

/**
 * Return the folders to choose from, each once: given ones first, then the projects, latest first.
 *
 * The chosen one is at the end unless it is among them: the order stays as it is while the owner goes
 * through the list by arrow keys.
 */
export function foldersOf(status: Status, chosen: string, ...given: (string | null)[]): string[] {
  const projects = recentProjects(status, Number.POSITIVE_INFINITY)
    .filter(({ state }) => state !== 'gone')
    .map(({ folder }) => folder);
  return [...new Set([...given, ...projects, chosen])].filter(folder => typeof folder === 'string');
}

/** Return the items by category, as JupyterLab ranks them. */
export function inOrder(items: Item[]): Item[] {
  const place = ({ category = '', categoryRank }: Item) =>
    categoryRank ?? RANKS[category] ?? Number.MAX_VALUE;
  const rank = (item: Item) => Math.min(item.rank ?? Number.MAX_VALUE, Number.MAX_VALUE);
  return [...items].sort((a, b) => place(a) - place(b) || rank(a) - rank(b));
}

/** Return what an item is called: a kernel's by what it opens, and by its own name if there are more. */
export function labelOf({ category, kernelIconUrl }: Item, label: string, all: Item[]): string {
  if (kernelIconUrl === undefined || !category) {
    return label;
  }
  const kernels = all.filter(one => one.category === category && one.kernelIconUrl !== undefined);
  return kernels.length > 1 ? `${category}: ${label}` : category;
}
