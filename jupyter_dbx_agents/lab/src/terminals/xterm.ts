/**
 * The xterm inside JupyterLab's terminal: `_term` in widget.ts of `@jupyterlab/terminal`, as of 4.6.
 *
 * It is no part of JupyterLab's interface, which has `paste` and `getSelection` of it only, so it is
 * asked for with care.
 */

import type { ITerminal } from '@jupyterlab/terminal';

/** The little of xterm's own interface that is used here. */
export interface XTerm {
  write(data: string, drawn?: () => void): void;
  reset(): void;
  rows: number;
  cols: number;
  buffer: { active: { type: string } };
  parser: { registerOscHandler(code: number, handler: (data: string) => boolean): unknown };
}

/** Return a terminal's xterm once it is there; null in a JupyterLab that keeps it elsewhere. */
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
