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

/** Return an absolute path as it is shown: `~` is the home folder. */
export function shown(path: string): string {
  const home = PageConfig.getOption('dbxAgentsHome');
  return home && `${path}/`.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** Return the folder that all projects are in, where terminals start. */
export function projectsFolder(): string {
  return PageConfig.getOption('dbxAgentsProjects');
}

// Not JupyterLab's own option `serverRoot`, which may begin with "~".
function root(): string {
  return PageConfig.getOption('dbxAgentsRoot').replace(/\/$/, '');
}
