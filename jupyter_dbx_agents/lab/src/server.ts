/** Requests to our part of the server; an error says what failed and what to do next. */

import { ServerConnection } from '@jupyterlab/services';

/** What the server, or the way to it, answered instead of a reply. */
export class ServerError extends Error {
  constructor(
    message: string,
    readonly hint: string,
    readonly status: number
  ) {
    super(message);
  }
}

const HINTS: Record<number, string> = {
  0: 'Check the connection; nothing that was typed is lost.',
  403: 'Reload the page: the session in this browser may have ended.',
  404: 'This server is older than the page. Reload it.',
  413: 'Choose something smaller.',
  429: 'The server is asked too often. Wait a moment and try again.',
  502: 'The app is restarting. Try again in a moment.',
  503: 'The workspace does not answer. Try again in a moment.',
  504: 'The answer took too long. Try again in a moment.'
};
const SLOW_MILLISECONDS = 60_000;

/** Ask the server; `body` is sent as JSON.  Raises ServerError. */
export async function ask<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
  const settings = ServerConnection.makeSettings();
  const init: RequestInit = { method, signal: AbortSignal.timeout(SLOW_MILLISECONDS) };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(
      `${settings.baseUrl}dbx-agents/api/${path}`,
      init,
      settings
    );
  } catch {
    throw new ServerError('The server does not answer.', HINTS[0] ?? '', 0);
  }
  const reply = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw errorOf(response.status, reply);
  }
  return reply as T;
}

/** Return the error that a reply means. */
export function errorOf(status: number, reply: { message?: unknown; hint?: unknown }): ServerError {
  const message = typeof reply.message === 'string' ? reply.message : '';
  const hint = typeof reply.hint === 'string' ? reply.hint : '';
  return new ServerError(
    message || `The server answered with ${status}.`,
    hint || HINTS[status] || '',
    status
  );
}

/** Return an error's message and hint as one text. */
export function errorText(error: unknown): string {
  if (error instanceof ServerError) {
    return `${error.message} ${error.hint}`.trim();
  }
  return error instanceof Error ? error.message : String(error);
}
