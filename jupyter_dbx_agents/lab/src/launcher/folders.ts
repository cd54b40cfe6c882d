/** Folders as the file browser has them, and as programs on the server do. */

import { absolute, browsable } from '../server/paths';

/** Return the folder of a path of the file browser; null at its root, where nobody works. */
export function browsedFolder(path: string): string | null {
  const folder = path.replace(/^[^/:]*:/, '').replace(/^\/+/, ''); // without its drive
  return folder ? absolute(folder) : null;
}

/** Return a folder as a path of the file browser; '' for one that it cannot show. */
export function browsedPath(folder: string): string {
  return browsable(folder) ?? '';
}
