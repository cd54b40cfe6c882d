/** How long to wait between attempts: exponential back-off with jitter. */

export class Backoff {
  private _attempts = 0;

  constructor(
    private _leastMilliseconds: number,
    private _mostMilliseconds: number
  ) {}

  /** Return the milliseconds before the next attempt: twice as many each time, less up to half. */
  next(): number {
    const pause = Math.min(this._mostMilliseconds, this._leastMilliseconds * 2 ** this._attempts);
    this._attempts += 1;
    return pause * (0.5 + Math.random() / 2);
  }

  /** Begin with the shortest pause again. */
  reset(): void {
    this._attempts = 0;
  }
}
