/**
 * Brings back a terminal whose connection is lost, for as long as it takes.
 *
 * A terminal that the server does not have either went down with an earlier server, and is started
 * again under its name, or has ended on the same server, and is not.
 */

import type { Terminal } from '@jupyterlab/services';
import { Backoff } from '../server/backoff';
import { requestJupyter, ServerError } from '../server/requests';

// JupyterLab itself makes seven attempts, with pauses of up to a minute, and then gives up.
const PAUSE_MILLISECONDS = [2000, 15_000] as const;
const REPLY_MILLISECONDS = 10_000;

/** What is called after an attempt. */
interface Outcomes {
  /** The terminal is there, or there again. */
  found: () => void;
  /** It has ended. */
  ended: () => void;
  /** The server, or something on the way to it, refuses; the attempts go on. */
  refused: (error: unknown) => void;
}

export class Reconnector {
  private _timer = 0;
  private _backoff = new Backoff(...PAUSE_MILLISECONDS);
  private _isTrying = false;
  private _isActive = false;

  /** `serverStart` returns when the server that had the terminal started, or ''. */
  constructor(
    private _session: Terminal.ITerminalConnection,
    private _serverStart: () => string,
    private _outcomes: Outcomes
  ) {}

  /** Try until stopped. */
  start(): void {
    this._isActive = true;
    this._backoff.reset();
    this._schedule();
  }

  stop(): void {
    this._isActive = false;
    window.clearTimeout(this._timer);
  }

  /** Try now, if started and not trying already. */
  async tryNow(): Promise<void> {
    if (!this._isActive || this._isTrying) {
      return;
    }
    this._isTrying = true;
    window.clearTimeout(this._timer);
    try {
      const outcome = await this._find();
      if (this._isActive) {
        outcome();
      }
    } catch (error) {
      this._outcomes.refused(error);
    } finally {
      this._isTrying = false;
      this._schedule();
    }
  }

  /** Return whether the server that had the terminal still runs.  Raises ServerError. */
  async isSameServer(): Promise<boolean> {
    const { started } = await requestJupyter<{ started?: string }>(
      'api/status',
      'GET',
      undefined,
      REPLY_MILLISECONDS
    );
    return Boolean(started) && started === this._serverStart();
  }

  private async _find(): Promise<() => void> {
    if (await succeeds(`api/terminals/${this._session.name}`, 404)) {
      return this._outcomes.found;
    }
    if (await this.isSameServer()) {
      return this._outcomes.ended;
    }
    await this._startAgain();
    return this._outcomes.found;
  }

  /** A conflict means that another tab was faster. */
  private _startAgain(): Promise<boolean> {
    return succeeds('api/terminals', 409, 'POST', { name: this._session.name });
  }

  private _schedule(): void {
    window.clearTimeout(this._timer);
    if (this._isActive) {
      this._timer = window.setTimeout(() => void this.tryNow(), this._backoff.next());
    }
  }
}

/** Return whether a request succeeds; false for one certain status.  Raises ServerError for others. */
async function succeeds(
  path: string,
  failure: number,
  method = 'GET',
  body?: object
): Promise<boolean> {
  try {
    await requestJupyter(path, method, body, REPLY_MILLISECONDS);
    return true;
  } catch (error) {
    if (error instanceof ServerError && error.status === failure) {
      return false;
    }
    throw error;
  }
}
