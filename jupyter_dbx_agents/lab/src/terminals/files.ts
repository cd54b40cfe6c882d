/**
 * Files that are pasted or dropped into a terminal: their paths are typed.
 *
 * What comes from the user's computer is uploaded first; what is dragged from JupyterLab's file
 * browser is on the server already.
 */

import { PageConfig } from '@jupyterlab/coreutils';
import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { errorText, ServerError } from '../server/requests';
import { byteText, quoted } from '../text';
import { Notice } from './banner';
import { sendFile } from './upload_request';

// The kind of Lumino's drag data, and its events.
const CONTENTS = 'application/x-jupyter-icontents';
const WANTED = ['lm-dragenter', 'lm-dragover', 'lm-dragleave', 'lm-drop'];

/** Take what is pasted or dropped onto a terminal's `host` while `isWanted` says so. */
export function takeFiles(
  terminal: ITerminal.ITerminal,
  host: HTMLElement,
  isWanted: () => boolean,
  trans: TranslationBundle
): void {
  const uploads = new Uploads(terminal, new Notice(host), trans);
  const take = (event: Event, data: DataTransfer | null): void => {
    const files = filesIn(data);
    if (isWanted() && files.length) {
      event.preventDefault();
      event.stopPropagation();
      uploads.add(files);
    }
  };
  host.addEventListener(
    'paste',
    event => {
      // A copied table or page is text with an image of it: in a terminal the text is meant.
      if (!event.clipboardData?.types.includes('text/plain')) {
        take(event, event.clipboardData);
      }
    },
    true
  );
  host.addEventListener('dragover', event => {
    if (isWanted() && event.dataTransfer?.types.includes('Files')) {
      event.preventDefault();
    }
  });
  host.addEventListener('drop', event => take(event, event.dataTransfer), true);
}

interface Dropped {
  file: File;
  isFolder: boolean;
}

/** Return what is pasted or dropped; a folder is told apart only while the event lasts. */
function filesIn(data: DataTransfer | null): Dropped[] {
  return [...(data?.items ?? [])].flatMap(item => {
    const file = item.getAsFile();
    return file ? [{ file, isFolder: item.webkitGetAsEntry()?.isDirectory ?? false }] : [];
  });
}

/** Uploads one file after the other, in their order, and keeps all that went wrong readable. */
class Uploads {
  private _waiting: Dropped[] = [];
  private _problems: string[] = [];
  private _current: AbortController | null = null;

  constructor(
    private _terminal: ITerminal.ITerminal,
    private _notice: Notice,
    private _trans: TranslationBundle
  ) {
    _terminal.disposed.connect(() => this._cancel());
  }

  add(files: Dropped[]): void {
    this._waiting.push(...files);
    if (!this._current) {
      void this._uploadAll();
    }
  }

  private async _uploadAll(): Promise<void> {
    for (let next = this._waiting.shift(); next; next = this._waiting.shift()) {
      await this._upload(next);
    }
    this._current = null;
    this._show('');
  }

  private async _upload({ file, isFolder }: Dropped): Promise<void> {
    this._current = new AbortController();
    const { signal } = this._current;
    try {
      this._check(isFolder);
      const path = await this._send(file, signal);
      if (!signal.aborted) {
        this._terminal.paste(`${quoted(path)} `);
      }
    } catch (error) {
      if (!signal.aborted) {
        const said = errorText(error, this._trans);
        this._problems.push(this._trans.__('%1 was not uploaded: %2', file.name, said));
      }
    }
  }

  /** Raises ServerError for what cannot be of use. */
  private _check(isFolder: boolean): void {
    const trans = this._trans;
    if (this._terminal.session.isDisposed) {
      const hint = trans.__('Drop it into another terminal.');
      throw new ServerError(trans.__('what ran here has ended.'), hint, 0);
    }
    if (isFolder) {
      throw new ServerError(trans.__('it is a folder.'), trans.__('Pack it into an archive.'), 0);
    }
  }

  private async _send(file: File, signal: AbortSignal): Promise<string> {
    const trans = this._trans;
    const most =
      Number(PageConfig.getOption('dbxAgentsMostUploadBytes')) || Number.POSITIVE_INFINITY;
    if (file.size > most) {
      throw new ServerError(
        trans.__('it has %1; at most %2 are taken.', byteText(file.size), byteText(most)),
        trans.__('Use the file browser for it.'),
        413
      );
    }
    const show = (percent: number): void =>
      this._show(trans.__('Uploading %1: %2 %', file.name, percent));
    show(0);
    return sendFile(file, show, signal, trans);
  }

  /** Show what went wrong so far and what goes on; nothing for neither. */
  private _show(goesOn: string): void {
    const lines = [...this._problems, goesOn].filter(Boolean);
    if (!lines.length) {
      this._notice.hide();
    } else if (goesOn) {
      const label = this._trans.__('Cancel');
      this._notice.show(lines.join('\n'), { label, onClick: () => this._cancel() });
    } else {
      const label = this._trans.__('Close');
      this._notice.show(lines.join('\n'), { label, onClick: () => this._close() });
    }
  }

  private _cancel(): void {
    this._waiting = [];
    this._current?.abort();
  }

  private _close(): void {
    this._problems = [];
    this._notice.hide();
  }
}

/** The little of Lumino's drag event that is used here; it is no drag of the browser's. */
interface LabDrag extends Event {
  mimeData: { hasData(kind: string): boolean; getData(kind: string): unknown };
  dropAction: string;
  readonly proposedAction: string;
}

/** Type the paths of what is dropped onto a terminal's `host`; `pathOf` makes them absolute. */
export function takePaths(
  terminal: ITerminal.ITerminal,
  host: HTMLElement,
  pathOf: (contentsPath: string) => string
): void {
  const follow = (event: Event): void => {
    const drag = event as LabDrag;
    if (!drag.mimeData.hasData(CONTENTS)) {
      return;
    }
    // Here and not further up, where the tabs' area would open the file beside the terminal.
    drag.preventDefault();
    drag.stopPropagation();
    drag.dropAction = drag.proposedAction;
    if (drag.type === 'lm-drop') {
      const paths = drag.mimeData.getData(CONTENTS) as string[];
      terminal.paste(paths.map(path => `${quoted(pathOf(path))} `).join(''));
      (terminal as unknown as { activate(): void }).activate();
    }
  };
  for (const kind of WANTED) {
    host.addEventListener(kind, follow, true);
  }
}
