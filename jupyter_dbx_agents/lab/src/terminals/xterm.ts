/**
 * The xterm of JupyterLab's terminal: `_term` in `widget.ts` of `@jupyterlab/terminal`, 4.6.
 *
 * It is private: JupyterLab offers only `paste` and `getSelection` of it.  Without it there is no
 * flow control, no copying by programs and no cleared screen after a reconnection.  This may go when
 * `ITerminal` exposes xterm, or write, reset and its parser.
 */

import type { ITerminal } from '@jupyterlab/terminal';

/** The part of xterm's API that is used here. */
export interface XTerm {
  write(data: string, drawn?: () => void): void;
  reset(): void;
  rows: number;
  cols: number;
  buffer: { active: { type: string } };
  parser: { registerOscHandler(code: number, handler: (data: string) => boolean): unknown };
}

/** Return a terminal's xterm when it is ready; null if JupyterLab keeps it elsewhere. */
export async function xtermOf(terminal: ITerminal.ITerminal): Promise<XTerm | null> {
  const inside = terminal as unknown as { ready?: Promise<void>; _term?: Partial<XTerm> };
  await inside.ready;
  const { _term: xterm } = inside;
  const isOne =
    typeof xterm?.write === 'function' &&
    typeof xterm.reset === 'function' &&
    typeof xterm.parser?.registerOscHandler === 'function';
  return isOne ? (xterm as XTerm) : null;
}
