/** Images and files that are pasted or dropped into a terminal: uploaded, and their paths typed. */

import { ServerConnection } from '@jupyterlab/services';
import type { ITerminal } from '@jupyterlab/terminal';
import type { TranslationBundle } from '@jupyterlab/translation';
import { errorOf, errorText, ServerError } from '../server';
import { byteText, quoted } from '../text';
import { Notice } from './notice';

const MOST_BYTES = 32 * 1024 * 1024;
const STALLED_MILLISECONDS = 120_000;

/** Take what is pasted or dropped onto a terminal's `host` while `isWanted` says so. */
export function takeFiles(
  terminal: ITerminal.ITerminal,
  host: HTMLElement,
  isWanted: () => boolean,
  trans: TranslationBundle
): void {
  const uploads = new Uploads(terminal, new Notice(host), trans);
  const take = (event: Event, data: DataTransfer | null): void => {
    const files = [...(data?.files ?? [])];
    if (isWanted() && files.length) {
      event.preventDefault();
      event.stopPropagation();
      void uploads.add(files);
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

class Uploads {
  private _last: Promise<void> = Promise.resolve();

  constructor(
    private _terminal: ITerminal.ITerminal,
    private _notice: Notice,
    private _trans: TranslationBundle
  ) {}

  /** Upload one after the other, in their order. */
  add(files: File[]): Promise<void> {
    for (const file of files) {
      this._last = this._last.then(() => this._upload(file));
    }
    return this._last;
  }

  private async _upload(file: File): Promise<void> {
    const label = this._trans.__('Close');
    try {
      const path = await this._send(file);
      this._notice.hide();
      this._terminal.paste(`${quoted(path)} `);
    } catch (error) {
      const text = this._trans.__('%1 was not uploaded: %2', file.name, errorText(error));
      this._notice.show(text, { label, onClick: () => this._notice.hide() });
    }
  }

  /** Send one file; the browser reads it piece by piece.  Returns its path on the server. */
  private _send(file: File): Promise<string> {
    const trans = this._trans;
    if (file.size > MOST_BYTES) {
      const [size, most] = [byteText(file.size), byteText(MOST_BYTES)];
      throw new ServerError(
        trans.__('it has %1; at most %2 are taken.', size, most),
        trans.__('Use the file browser for it.'),
        413
      );
    }
    const request = new XMLHttpRequest();
    const cancel = { label: trans.__('Cancel'), onClick: () => request.abort() };
    const show = (percent: number): void =>
      this._notice.show(trans.__('Uploading %1: %2 %', file.name, percent), cancel);
    show(0);
    return new Promise((resolve, reject) => {
      request.upload.onprogress = ({ loaded, total }) => show(Math.round((loaded / total) * 100));
      request.onload = () => {
        const reply = request.response ?? {};
        if (request.status === 201 && typeof reply.path === 'string') {
          resolve(reply.path);
        } else {
          reject(errorOf(request.status, reply));
        }
      };
      request.onabort = () => reject(new ServerError(trans.__('it was cancelled.'), '', 0));
      request.onerror = request.ontimeout = () =>
        reject(errorOf(0, { message: trans.__('the connection broke off.') }));
      open(request, file.name);
      request.send(file);
    });
  }
}

function open(request: XMLHttpRequest, name: string): void {
  const { baseUrl } = ServerConnection.makeSettings();
  request.open('POST', `${baseUrl}dbx-agents/api/uploads?name=${encodeURIComponent(name)}`);
  request.responseType = 'json';
  request.timeout = STALLED_MILLISECONDS;
  request.setRequestHeader('Content-Type', 'application/octet-stream');
  const cookie = document.cookie.match(/(?:^|;\s*)_xsrf=([^;]*)/)?.[1];
  if (cookie) {
    request.setRequestHeader('X-XSRFToken', decodeURIComponent(cookie));
  }
}
