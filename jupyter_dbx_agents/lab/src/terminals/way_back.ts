/** The way back to a terminal whose connection is cut: looked for until it is found. */

import type { Terminal } from '@jupyterlab/services';
import { askJupyter, ServerError } from '../server';

// JupyterLab itself tries seven times, with pauses of up to a minute, and then no more.
const PAUSE_MILLISECONDS = { least: 2000, most: 15_000 };
const ANSWER_MILLISECONDS = 10_000;

export class WayBack {
  private _timer = 0;
  private _attempts = 0;
  private _isLooking = false;
  private _isWanted = false;

  /** `found` is called when the server has the terminal, `refused` with what it says instead. */
  constructor(
    private _session: Terminal.ITerminalConnection,
    private _found: () => void,
    private _refused: (error: unknown) => void
  ) {}

  /** Look for it until told to stop. */
  start(): void {
    this._isWanted = true;
    this._attempts = 0;
    this._lookSoon();
  }

  stop(): void {
    this._isWanted = false;
    window.clearTimeout(this._timer);
  }

  /** Look now; one that went down with the server is started again under its name. */
  async look(): Promise<void> {
    if (!this._isWanted || this._isLooking) {
      return;
    }
    this._isLooking = true;
    window.clearTimeout(this._timer);
    try {
      if (!(await this.isThere())) {
        await this._startAnew();
      }
      if (this._isWanted) {
        this._found();
      }
    } catch (error) {
      this._refused(error);
    } finally {
      this._isLooking = false;
      this._lookSoon();
    }
  }

  /** Return whether the server has this terminal.  Raises ServerError when it does not say. */
  isThere(): Promise<boolean> {
    return answers(`api/terminals/${this._session.name}`, 404);
  }

  /** Another tab may have been faster. */
  private _startAnew(): Promise<boolean> {
    return answers('api/terminals', 409, 'POST', { name: this._session.name });
  }

  private _lookSoon(): void {
    window.clearTimeout(this._timer);
    if (this._isWanted) {
      const { least, most } = PAUSE_MILLISECONDS;
      const pause = Math.min(most, least * 2 ** this._attempts);
      this._attempts += 1;
      this._timer = window.setTimeout(() => void this.look(), pause);
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
