/** A Ctrl that is pressed before the key: the next character that is typed is its control character. */

import type { Terminal } from '@jupyterlab/services';

type Session = Terminal.ITerminalConnection;

// What Ctrl makes of a character: of ? delete, of the space NUL, and of the others their last five bits.
const MASK = 0x1f;
const SPECIAL: Record<string, string> = { '?': '\x7f', ' ': '\x00' };

export class Control {
  private _isOn = false;
  private _followed = new WeakSet<Session>();

  constructor(private _onChange: (isOn: boolean) => void) {
    _onChange(false);
  }

  /** Press or release it, for what is typed into a terminal. */
  toggle(session: Session): void {
    this._follow(session);
    this._set(!this._isOn);
  }

  /** Return whether it is pressed, and release it. */
  take(): boolean {
    const isOn = this._isOn;
    this._set(false);
    return isOn;
  }

  release(): void {
    this._set(false);
  }

  /**
   * See what is typed in this terminal.  A key's event does not suffice: phones send none that says
   * which key it was.
   */
  private _follow(session: Session): void {
    if (this._followed.has(session)) {
      return;
    }
    this._followed.add(session);
    const send = session.send.bind(session);
    session.send = message => {
      const [typed] = message.content ?? [];
      const control = message.type === 'stdin' && this._isOn ? controlOf(typed) : null;
      if (control !== null) {
        this._set(false);
      }
      send(control === null ? message : { ...message, content: [control] });
    };
  }

  private _set(isOn: boolean): void {
    this._isOn = isOn;
    this._onChange(isOn);
  }
}

/** Return a character's control character; null for what is no single one, such as a report. */
export function controlOf(typed: unknown): string | null {
  if (typeof typed !== 'string' || !/^[ ?-~]$/.test(typed)) {
    return null;
  }
  return SPECIAL[typed] ?? String.fromCharCode(typed.charCodeAt(0) & MASK);
}
