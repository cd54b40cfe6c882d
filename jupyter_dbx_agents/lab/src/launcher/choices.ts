/** What there is to choose on the launcher: pure functions. */

import type { ILauncher } from '@jupyterlab/launcher';
import type { TranslationBundle } from '@jupyterlab/translation';
import { recentProjects, type Status } from '../status/model';

export type Item = ILauncher.IItemOptions;

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

/**
 * Return the items by category, as JupyterLab ranks them.
 *
 * `lab` has JupyterLab's own texts: it knows its categories by their translated names.
 */
export function inOrder(items: Item[], lab: TranslationBundle): Item[] {
  const other = lab.__('Other');
  const ranks = { [lab.__('Notebook')]: 0, [lab.__('Console')]: 20, [other]: 100 };
  const nameOf = ({ category }: Item) => category || other;
  const placeOf = (item: Item) => item.categoryRank ?? ranks[nameOf(item)] ?? Number.MAX_VALUE;
  const places: Record<string, number> = {};
  for (const item of items) {
    places[nameOf(item)] = Math.min(places[nameOf(item)] ?? Number.MAX_VALUE, placeOf(item));
  }
  const place = (item: Item) => places[nameOf(item)] ?? Number.MAX_VALUE;
  const rank = (item: Item) => Math.min(item.rank ?? Number.MAX_VALUE, Number.MAX_VALUE);
  return [...items].sort(
    (a, b) => place(a) - place(b) || nameOf(a).localeCompare(nameOf(b)) || rank(a) - rank(b)
  );
}

/** Return what an item is called: a kernel's by what it opens, and by its own name if there are more. */
export function labelOf(item: Item, label: string, all: Item[]): string {
  const { category } = item;
  if (!isKernel(item) || !category) {
    return label;
  }
  const kernels = all.filter(one => one.category === category && isKernel(one));
  return kernels.length > 1 ? `${category}: ${label}` : category;
}

/** Whether an item opens a kernel; one without an icon has its metadata all the same. */
function isKernel({ kernelIconUrl, metadata }: Item): boolean {
  return kernelIconUrl !== undefined || metadata?.kernel !== undefined;
}
