/**
 * JupyterLab's regular look for running terminals, held while one of ours is on its way back.
 *
 * That look ends the connection of each terminal that the server does not know: after a crash also
 * of one that would have come back as a new shell a moment later (`requestRunning` in
 * terminal/manager.ts of `@jupyterlab/services`, as of 7.6; no issue asks for another way).  It is
 * no part of JupyterLab's interface, so it is asked for with care; without it, the terminal ends
 * and offers another.
 */

interface Poll {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export class RunningPoll {
  private _waiting = new Set<object>();

  constructor(private _manager: object) {}

  /** Hold it for `who`. */
  hold(who: object): void {
    this._waiting.add(who);
    this._poll()
      ?.stop()
      .catch(() => undefined);
  }

  /** Let it go on, once nobody holds it. */
  release(who: object): void {
    if (this._waiting.delete(who) && !this._waiting.size) {
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
