/** The upload of one file, with an XMLHttpRequest: `fetch` does not report progress. */

import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { errorOf, isSignedOut, requestJupyter } from '../server/requests';

// A slow connection may need many minutes for a file; without progress for this long it is dead.
const NO_PROGRESS_MINUTES = 2;
const REPLY_MILLISECONDS = 10_000;

/** Upload a file unless `signal` aborts it; return its path on the server.  Raises ServerError. */
export function sendFile(
  file: File,
  onProgress: (percent: number) => void,
  signal: AbortSignal,
  trans: TranslationBundle
): Promise<string> {
  const request = createRequest(file.name);
  let timer = 0;
  const waitForProgress = (): void => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => request.abort(), NO_PROGRESS_MINUTES * 60_000);
  };
  return new Promise<string>((resolve, reject) => {
    const fail = (message: string): void => reject(errorOf(0, { message }));
    request.upload.onprogress = ({ loaded, total }) => {
      waitForProgress();
      onProgress(Math.round((loaded / total) * 100));
    };
    request.onload = () => {
      const reply = request.response ?? {};
      if (request.status === 201 && typeof reply.path === 'string') {
        resolve(reply.path);
      } else {
        reject(errorOf(request.status, reply));
      }
    };
    request.onabort = () =>
      fail(trans.__('there was no progress for %1 minutes.', NO_PROGRESS_MINUTES));
    request.onerror = () => void failureOf(file, trans).then(reject);
    signal.onabort = () => {
      request.abort();
      fail(''); // the request may have failed already, its reason not known yet
    };
    waitForProgress();
    request.send(file); // the browser streams it
  }).finally(() => window.clearTimeout(timer));
}

/** Return why an upload failed; the browser only reports that it did. */
async function failureOf(file: File, trans: TranslationBundle): Promise<unknown> {
  const message = trans.__('the connection was lost.');
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    return errorOf(0, {
      message: trans.__('it cannot be read.'),
      hint: trans.__('Check that it still exists.')
    });
  }
  try {
    await requestJupyter('api/status', 'GET', undefined, REPLY_MILLISECONDS);
  } catch (error) {
    return isSignedOut(error) ? error : errorOf(0, { message });
  }
  return errorOf(0, { message });
}

function createRequest(name: string): XMLHttpRequest {
  const request = new XMLHttpRequest();
  const { baseUrl } = ServerConnection.makeSettings();
  request.open('POST', `${baseUrl}dbx-agents/api/uploads?name=${encodeURIComponent(name)}`);
  request.responseType = 'json';
  request.setRequestHeader('Content-Type', 'application/octet-stream');
  const cookie = document.cookie.match(/(?:^|;\s*)_xsrf=([^;]*)/)?.[1];
  if (cookie) {
    request.setRequestHeader('X-XSRFToken', decodeURIComponent(cookie));
  }
  return request;
}
