/**
 * Files pasted or dropped into a terminal: their paths are inserted.
 *
 * What comes from the user's computer is uploaded first; what is dragged from JupyterLab's file
 * browser is on the server already.
 */

import { PageConfig } from '@jupyterlab/coreutils';
import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { errorText, ServerError } from '../server/requests';
import { byteText, quoted } from '../text';
import { Banner } from './banner';
import { sendFile } from './upload_request';

// The kind of Lumino's drag data, and its events.
const CONTENTS = 'application/x-jupyter-icontents';
const DRAG_EVENTS = ['lm-dragenter', 'lm-dragover', 'lm-dragleave', 'lm-drop'];

/** Upload what is pasted or dropped onto a terminal's `host`, while `isEnabled` returns true. */
export function acceptFiles(
  terminal: ITerminal.ITerminal,
  host: HTMLElement,
  isEnabled: () => boolean,
  trans: TranslationBundle
): void {
  const uploads = new Uploads(terminal, new Banner(host), trans);
  const accept = (event: Event, data: DataTransfer | null): void => {
    const files = filesIn(data);
    if (isEnabled() && files.length) {
      event.preventDefault();
      event.stopPropagation();
      uploads.add(files);
    }
  };
  host.addEventListener(
    'paste',
    event => {
      // A copied table or page is text with an image of it: a terminal wants the text.
      if (!event.clipboardData?.types.includes('text/plain')) {
        accept(event, event.clipboardData);
      }
    },
    true
  );
  host.addEventListener('dragover', event => {
    if (isEnabled() && event.dataTransfer?.types.includes('Files')) {
      event.preventDefault();
    }
  });
  host.addEventListener('drop', event => accept(event, event.dataTransfer), true);
}

interface Dropped {
  file: File;
  isFolder: boolean;
}

/** Return what is pasted or dropped; folders are recognizable only during the event. */
function filesIn(data: DataTransfer | null): Dropped[] {
  return [...(data?.items ?? [])].flatMap(item => {
    const file = item.getAsFile();
    return file ? [{ file, isFolder: item.webkitGetAsEntry()?.isDirectory ?? false }] : [];
  });
}

/** Uploads files one by one, in their order, and shows what failed until it is closed. */
class Uploads {
  private _queue: Dropped[] = [];
  private _problems: string[] = [];
  private _current: AbortController | null = null;

  constructor(
    private _terminal: ITerminal.ITerminal,
    private _banner: Banner,
    private _trans: TranslationBundle
  ) {
    _terminal.disposed.connect(() => this._cancel());
  }

  add(files: Dropped[]): void {
    this._queue.push(...files);
    if (!this._current) {
      void this._uploadAll();
    }
  }

  private async _uploadAll(): Promise<void> {
    for (let next = this._queue.shift(); next; next = this._queue.shift()) {
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
        const reason = errorText(error, this._trans);
        this._problems.push(this._trans.__('%1 was not uploaded: %2', file.name, reason));
      }
    }
  }

  /** Raises ServerError for what cannot be uploaded. */
  private _check(isFolder: boolean): void {
    const trans = this._trans;
    if (this._terminal.session.isDisposed) {
      const hint = trans.__('Drop it into another terminal.');
      throw new ServerError(trans.__('this session has ended.'), hint, 0);
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
        trans.__('it has %1, and the limit is %2.', byteText(file.size), byteText(most)),
        trans.__('Upload it with the file browser.'),
        413
      );
    }
    const show = (percent: number): void =>
      this._show(trans.__('Uploading %1: %2 %', file.name, percent));
    show(0);
    return sendFile(file, show, signal, trans);
  }

  /** Show what failed so far, and the upload in progress; hide the banner if there is neither. */
  private _show(progress: string): void {
    const lines = [...this._problems, progress].filter(Boolean);
    if (!lines.length) {
      this._banner.hide();
    } else if (progress) {
      const label = this._trans.__('Cancel');
      this._banner.show(lines.join('\n'), { label, onClick: () => this._cancel() });
    } else {
      const label = this._trans.__('Close');
      this._banner.show(lines.join('\n'), { label, onClick: () => this._close() });
    }
  }

  private _cancel(): void {
    this._queue = [];
    this._current?.abort();
  }

  private _close(): void {
    this._problems = [];
    this._banner.hide();
  }
}

/** The part of Lumino's drag event that is used here; it is not a DOM drag event. */
interface LabDrag extends Event {
  mimeData: { hasData(kind: string): boolean; getData(kind: string): unknown };
  dropAction: string;
  readonly proposedAction: string;
}

/** Insert the paths of what is dragged from the file browser; `pathOf` makes them absolute. */
export function acceptPaths(
  terminal: ITerminal.ITerminal,
  host: HTMLElement,
  pathOf: (contentsPath: string) => string
): void {
  const follow = (event: Event): void => {
    const drag = event as LabDrag;
    if (!drag.mimeData.hasData(CONTENTS)) {
      return;
    }
    // Or the dock area would open the file beside the terminal.
    drag.preventDefault();
    drag.stopPropagation();
    drag.dropAction = drag.proposedAction;
    if (drag.type === 'lm-drop') {
      const paths = drag.mimeData.getData(CONTENTS) as string[];
      terminal.paste(paths.map(path => `${quoted(pathOf(path))} `).join(''));
      // Missing in ITerminal, though each one is a widget.  The cast may go when its type says so.
      (terminal as unknown as { activate(): void }).activate();
    }
  };
  for (const kind of DRAG_EVENTS) {
    host.addEventListener(kind, follow, true);
  }
}
