/**
 * JupyterLab's poll for running terminals, paused while one of ours reconnects.
 *
 * The poll disposes the session of each terminal that the server does not list, after a crash also
 * of one that would be back as a new shell a moment later (`requestRunning` in
 * `terminal/manager.ts` of `@jupyterlab/services`, 7.6).  It is private, since JupyterLab has no way
 * to pause it; without it, the terminal ends and its banner offers a new one.  It may go when the
 * manager keeps sessions that are reconnecting, or can be paused.
 */

interface Poll {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export class RunningPoll {
  private _holders = new Set<object>();

  constructor(private _manager: object) {}

  /** Pause the poll for `holder`. */
  hold(holder: object): void {
    this._holders.add(holder);
    this._poll()
      ?.stop()
      .catch(() => undefined);
  }

  /** Resume the poll when its last holder releases it. */
  release(holder: object): void {
    if (this._holders.delete(holder) && !this._holders.size) {
      this._poll()
        ?.start()
        .catch(() => undefined);
    }
  }

  private _poll(): Poll | null {
    const { _pollModels: poll } = this._manager as { _pollModels?: Partial<Poll> };
    return typeof poll?.start === 'function' && typeof poll.stop === 'function'
      ? (poll as Poll)
      : null;
  }
}
