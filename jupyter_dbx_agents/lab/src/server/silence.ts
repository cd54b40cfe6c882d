/**
 * Notices a connection that has gone silent, which neither the browser nor its socket reports.
 *
 * The server sends something every other second.  One that has never sent a beat may be older, and is
 * never taken for silent.
 */

const LOOK_MILLISECONDS = 250;
// Together with the looks below 5 s, and more than two beats of the server.
export const SILENT_MILLISECONDS = 4400;

export class Silence {
  private _heardAt = 0;
  private _hasBeat = false;
  private _isSuspected = false;
  private _timer = 0;

  constructor(
    private _onSilent: () => void,
    private _now: () => number = Date.now
  ) {}

  /** Something has been received; only after a beat is silence a sign. */
  hear(isBeat: boolean): void {
    this._heardAt = this._now();
    this._isSuspected = false;
    if (isBeat && !this._hasBeat) {
      this._hasBeat = true;
      this._lookLater();
    }
  }

  /** Stop, until the next beat. */
  stop(): void {
    window.clearTimeout(this._timer);
    this._hasBeat = this._isSuspected = false;
  }

  private _lookLater(): void {
    this._timer = window.setTimeout(() => this._look(), LOOK_MILLISECONDS);
  }

  /** What came while the page was busy or frozen is heard between two looks. */
  private _look(): void {
    const isSilent = this._now() - this._heardAt >= SILENT_MILLISECONDS;
    if (isSilent && this._isSuspected) {
      this.stop();
      this._onSilent();
    } else {
      this._isSuspected = isSilent;
      this._lookLater();
    }
  }
}
