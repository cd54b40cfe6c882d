/** Paths of the file browser, and the same ones as programs on the server use them. */

import { PageConfig } from '@jupyterlab/coreutils';

/** Return a path of the file browser as an absolute one. */
export function absolute(path: string): string {
  return `${root()}/${path.replace(/^\/+/, '')}`;
}

/** Return an absolute path as one of the file browser; null if it is outside its root. */
export function browsable(path: string): string | null {
  return path.startsWith(`${root()}/`) ? path.slice(root().length + 1) : null;
}

// Not JupyterLab's own option `serverRoot`, which may begin with "~".
function root(): string {
  return PageConfig.getOption('dbxAgentsRoot').replace(/\/$/, '');
}
