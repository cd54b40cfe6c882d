/** The file browser's folders as programs on the server know them. */

import { PageConfig } from '@jupyterlab/coreutils';

/** Return a path of the file browser as an absolute one. */
export function absolute(path: string): string {
  return `${root()}/${path.replace(/^\/+/, '')}`;
}

/** Return an absolute path as one of the file browser; null when that does not reach it. */
export function browsable(path: string): string | null {
  return path.startsWith(`${root()}/`) ? path.slice(root().length + 1) : null;
}

// JupyterLab's own option for it, `serverRoot`, may begin with "~".
function root(): string {
  return PageConfig.getOption('dbxAgentsRoot').replace(/\/$/, '');
}
