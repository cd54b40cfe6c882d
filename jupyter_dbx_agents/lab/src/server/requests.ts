/** Requests to the server; an error says what failed and what to do next. */

import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

/** An error reply of the server or of a proxy before it; its status is 0 without any reply. */
export class ServerError extends Error {
  /** For an empty message, and for a hint of null, `errorText` has one by the status. */
  constructor(
    message: string,
    readonly hint: string | null,
    readonly status: number
  ) {
    super(message);
  }
}

const SIGNED_OUT = 401;
const TIMEOUT_MILLISECONDS = 60_000;

/** Send a request to our REST API, `body` as JSON; return the reply.  Raises ServerError. */
export function request<T>(
  path: string,
  method = 'GET',
  body?: unknown,
  timeoutMilliseconds = TIMEOUT_MILLISECONDS
): Promise<T> {
  return requestJupyter(`dbx-agents/api/${path}`, method, body, timeoutMilliseconds);
}

/** Send a request to any address of the server, as `request` does.  Raises ServerError. */
export async function requestJupyter<T>(
  path: string,
  method = 'GET',
  body?: unknown,
  timeoutMilliseconds = TIMEOUT_MILLISECONDS
): Promise<T> {
  const settings = ServerConnection.makeSettings();
  const signal = AbortSignal.timeout(timeoutMilliseconds);
  // Only the front door redirects, to its sign-in page, which cannot be followed from here.
  const init: RequestInit = { method, signal, redirect: 'manual' };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(settings.baseUrl + path, init, settings);
  } catch {
    throw new ServerError('', null, 0);
  }
  const reply = await response.json().catch(() => null);
  if (response.ok && reply !== null) {
    return reply as T;
  }
  throw errorOf(response.type === 'opaqueredirect' ? SIGNED_OUT : response.status, reply ?? {});
}

/** Return the error for a reply; a page instead of JSON is a sign-in page, too. */
export function errorOf(status: number, reply: { message?: unknown; hint?: unknown }): ServerError {
  const message = typeof reply.message === 'string' ? reply.message : '';
  // Jupyter's own replies have no hint; ours may have an empty one.
  const hint = typeof reply.hint === 'string' ? reply.hint : null;
  const isPage = status >= 200 && status < 300;
  return new ServerError(message, hint, isPage ? SIGNED_OUT : status);
}

/** Whether an error means that the user is not signed in, or no longer. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ServerError && [SIGNED_OUT, 403].includes(error.status);
}

/** Return an error's message and hint as one text. */
export function errorText(error: unknown, trans: TranslationBundle): string {
  if (!(error instanceof ServerError)) {
    return error instanceof Error ? error.message : String(error);
  }
  const message = error.message || messageFor(error.status, trans);
  const hint = error.hint ?? hintFor(error.status, trans);
  return `${message} ${hint}`.trim();
}

function messageFor(status: number, trans: TranslationBundle): string {
  switch (status) {
    case 0:
      return trans.__('The server is not responding.');
    case SIGNED_OUT:
      return trans.__('Your sign-in has expired.');
    default:
      return trans.__('The server responded with status %1.', status);
  }
}

function hintFor(status: number, trans: TranslationBundle): string {
  switch (status) {
    case 0:
      return trans.__('Check your connection. Nothing you typed is lost.');
    case SIGNED_OUT:
      return trans.__('Reload the page to sign in again.');
    case 403:
      return trans.__('Reload the page: your session in this browser may have expired.');
    case 404:
      return trans.__('The server is older than this page. Reload the page.');
    case 413:
      return trans.__('Choose something smaller.');
    case 429:
      return trans.__('Too many requests. Wait a moment and try again.');
    case 502:
      return trans.__('The app is restarting. Try again in a moment.');
    case 503:
      return trans.__('The workspace is not responding. Try again in a moment.');
    case 504:
      return trans.__('The request took too long. Try again in a moment.');
    default:
      return '';
  }
}
