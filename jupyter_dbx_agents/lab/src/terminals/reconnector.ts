/**
 * The way back to a terminal whose connection is cut: looked for until it is found.
 *
 * A terminal that the server does not have went down with the one before, and is started again by
 * its name; or has ended meanwhile, if the server is still the same, and is not.
 */

import type { Terminal } from '@jupyterlab/services';
import { Backoff } from '../server/backoff';
import { askJupyter, ServerError } from '../server/requests';

// JupyterLab itself tries seven times, with pauses of up to a minute, and then no more.
const PAUSE_MILLISECONDS = [2000, 15_000] as const;
const ANSWER_MILLISECONDS = 10_000;

/** What is told of the way back; `error` is what the server, or the way to it, says against it. */
interface News {
  found: () => void;
  ended: () => void;
  refused: (error: unknown) => void;
}

export class WayBack {
  private _timer = 0;
  private _backoff = new Backoff(...PAUSE_MILLISECONDS);
  private _isLooking = false;
  private _isWanted = false;

  /** `serverStart` returns when the server had started that had the terminal, or ''. */
  constructor(
    private _session: Terminal.ITerminalConnection,
    private _serverStart: () => string,
    private _news: News
  ) {}

  /** Look for it until told to stop. */
  start(): void {
    this._isWanted = true;
    this._backoff.reset();
    this._lookSoon();
  }

  stop(): void {
    this._isWanted = false;
    window.clearTimeout(this._timer);
  }

  /** Look now. */
  async look(): Promise<void> {
    if (!this._isWanted || this._isLooking) {
      return;
    }
    this._isLooking = true;
    window.clearTimeout(this._timer);
    try {
      const news = await this._find();
      if (this._isWanted) {
        news();
      }
    } catch (error) {
      this._news.refused(error);
    } finally {
      this._isLooking = false;
      this._lookSoon();
    }
  }

  /** Return whether the server that had the terminal runs on.  Raises ServerError without answer. */
  async isSameServer(): Promise<boolean> {
    const { started } = await askJupyter<{ started?: string }>(
      'api/status',
      'GET',
      undefined,
      ANSWER_MILLISECONDS
    );
    return Boolean(started) && started === this._serverStart();
  }

  /** Return what is to be told: the terminal is there, or there again, or has ended. */
  private async _find(): Promise<() => void> {
    if (await answers(`api/terminals/${this._session.name}`, 404)) {
      return this._news.found;
    }
    if (await this.isSameServer()) {
      return this._news.ended;
    }
    await this._startAnew();
    return this._news.found;
  }

  /** Another tab may have been faster. */
  private _startAnew(): Promise<boolean> {
    return answers('api/terminals', 409, 'POST', { name: this._session.name });
  }

  private _lookSoon(): void {
    window.clearTimeout(this._timer);
    if (this._isWanted) {
      this._timer = window.setTimeout(() => void this.look(), this._backoff.next());
    }
  }
}

/** Return whether the server does what it is asked; false if it says no with a certain status. */
async function answers(path: string, no: number, method = 'GET', body?: object): Promise<boolean> {
  try {
    await askJupyter(path, method, body, ANSWER_MILLISECONDS);
    return true;
  } catch (error) {
    if (error instanceof ServerError && error.status === no) {
      return false;
    }
    throw error;
  }
}
