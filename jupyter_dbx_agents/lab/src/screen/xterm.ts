/**
 * The xterm of JupyterLab's terminal: `_term` in `widget.ts` of `@jupyterlab/terminal`, 4.6.
 *
 * It is private: JupyterLab offers only `paste` and `getSelection` of it.  Without it there is no
 * flow control, no copying by programs, no cleared screen after a reconnection, and emoji are one
 * cell wide.  This may go when `ITerminal` exposes xterm, or write, reset, its options and parser.
 */

import type { ITerminal } from '@jupyterlab/terminal';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { keepDimReadable } from './dim';

const SYNCHRONIZED_OUTPUT = 2026;
const LEAST_CONTRAST = 4.5;

/** A link in xterm's buffer: rows and columns count from 1, the end is the last cell. */
export interface XTermLink {
  text: string;
  range: { start: { x: number; y: number }; end: { x: number; y: number } };
  activate(): void;
}

/** The part of xterm's API that is used here. */
export interface XTerm {
  write(data: string, drawn?: () => void): void;
  reset(): void;
  rows: number;
  cols: number;
  modes: { applicationCursorKeysMode: boolean };
  buffer: {
    active: {
      type: string;
      getLine(
        y: number
      ): { isWrapped: boolean; getCell(x: number): { getChars(): string } | undefined } | undefined;
    };
  };
  options: {
    allowProposedApi?: boolean;
    macOptionClickForcesSelection?: boolean;
    minimumContrastRatio?: number;
    linkHandler?: {
      activate(event: MouseEvent, uri: string): void;
      allowNonHttpProtocols: boolean;
    };
  };
  unicode: { activeVersion: string };
  loadAddon(addon: Unicode11Addon): void;
  registerLinkProvider(provider: {
    provideLinks(row: number, provide: (links: XTermLink[] | undefined) => void): void;
  }): unknown;
  input(data: string, wasUserInput?: boolean): void;
  parser: {
    registerOscHandler(code: number, handler: (data: string) => boolean): unknown;
    registerCsiHandler(
      id: { prefix: string; intermediates: string; final: string },
      handler: (params: (number | number[])[]) => boolean
    ): unknown;
  };
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

/** Make a terminal what agents expect of one, before anything is drawn. */
export function meetAgents(xterm: XTerm): void {
  // The width of characters is part of xterm's proposed API.
  xterm.options.allowProposedApi = true;
  // As wide as programs count emoji, and as in the server's screens.
  xterm.loadAddon(new Unicode11Addon());
  xterm.unicode.activeVersion = '11';
  // WCAG's for text: programs choose colours for one theme, and are shown in another.
  xterm.options.minimumContrastRatio = LEAST_CONTRAST;
  keepDimReadable(xterm);
  // Otherwise nothing can be selected on a Mac while a program tracks the mouse.
  xterm.options.macOptionClickForcesSelection = true;
  // The server sends a frame whole; programs ask (DECRQM) whether it does.
  const request = { prefix: '?', intermediates: '$', final: 'p' };
  xterm.parser.registerCsiHandler(request, ([mode]) => {
    if (mode === SYNCHRONIZED_OUTPUT) {
      xterm.input(`\x1b[?${mode};2$y`, false);
    }
    return mode === SYNCHRONIZED_OUTPUT;
  });
}
