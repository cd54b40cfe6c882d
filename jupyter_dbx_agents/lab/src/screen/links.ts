/**
 * Links in a terminal: what it shows as `path:line` opens in the editor, also by OSC 8; web addresses
 * open in a new tab, however they are written.
 *
 * Whether something is a file, and which, the server knows: relative paths are those of the program
 * in the terminal.
 */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { IDocumentWidget } from '@jupyterlab/docregistry';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';
import { browsable } from '../server/paths';
import { request } from '../server/requests';
import { type FilePlace, filePlaces } from '../text';
import type { XTerm, XTermLink } from './xterm';

const OPEN = 'docmanager:open';
const EDITOR = 'Editor';

/** The part of an editor's widget that is used here. */
interface TextContent extends Widget {
  editor?: {
    setCursorPosition(position: { line: number; column: number }): void;
    revealPosition(position: { line: number; column: number }): void;
    focus(): void;
  };
}

/** Make web addresses and files in a terminal links; `name` returns the terminal's. */
export function addLinks(
  xterm: XTerm,
  app: JupyterFrontEnd,
  name: () => string,
  trans: TranslationBundle
): void {
  const open = (file: string, place: FilePlace): void => void openFile(app, file, place, trans);
  xterm.options.linkHandler = {
    // xterm's own asks in a dialog that calls each of them dangerous.
    activate: (_, uri) => void openAddress(uri, name(), open),
    allowNonHttpProtocols: true // such as file:; others are not opened
  };
  xterm.registerLinkProvider({
    provideLinks: (row, provide) => {
      const { text, at } = lineAt(xterm, row);
      const places = filePlaces(text);
      find(name(), places).then(
        files => provide(links(places, files, at, open)),
        () => provide(undefined)
      );
    }
  });
}

/** Return which of these places are in files, with the files' paths. */
async function find(terminal: string, places: FilePlace[]): Promise<Record<string, string>> {
  const paths = [...new Set(places.map(({ path }) => path))];
  if (!paths.length) {
    return {};
  }
  const body = { terminal, paths };
  return (await request<{ files?: Record<string, string> }>('files', 'POST', body)).files ?? {};
}

function links(
  places: FilePlace[],
  files: Record<string, string>,
  at: (index: number) => { x: number; y: number },
  open: (file: string, place: FilePlace) => void
): XTermLink[] {
  return places.flatMap(place => {
    const file = files[place.path];
    const range = { start: at(place.start), end: at(place.end - 1) };
    return file ? [{ text: place.path, range, activate: () => open(file, place) }] : [];
  });
}

/** Return the whole line of which a row (from 1) is a part, and where its characters are. */
function lineAt(xterm: XTerm, row: number): { text: string; at: (i: number) => Cell } {
  const buffer = xterm.buffer.active;
  let first = row - 1;
  while (first > 0 && buffer.getLine(first)?.isWrapped) {
    first--;
  }
  const cells: Cell[] = [];
  let text = '';
  for (let y = first; y === first || buffer.getLine(y)?.isWrapped; y++) {
    const line = buffer.getLine(y);
    for (let x = 0; x < xterm.cols; x++) {
      const characters = line?.getCell(x)?.getChars() || ' ';
      cells.push(...Array.from({ length: characters.length }, () => ({ x: x + 1, y: y + 1 })));
      text += characters;
    }
  }
  return { text: text.trimEnd(), at: index => cells[index] ?? { x: 1, y: row } };
}

interface Cell {
  x: number;
  y: number;
}

async function openAddress(
  uri: string,
  terminal: string,
  open: (file: string, place: FilePlace) => void
): Promise<void> {
  if (/^https?:/i.test(uri)) {
    window.open(uri, '_blank', 'noopener,noreferrer');
  } else if (/^file:/i.test(uri)) {
    const path = decodeURIComponent(new URL(uri).pathname);
    const [place] = filePlaces(`${path} `);
    const whole = { path, line: 1, column: 1, start: 0, end: path.length };
    for (const one of place ? [whole, place] : [whole]) {
      const file = (await find(terminal, [one]))[one.path];
      if (file) {
        open(file, one);
        return;
      }
    }
  }
}

async function openFile(
  { commands }: JupyterFrontEnd,
  file: string,
  { line, column }: FilePlace,
  trans: TranslationBundle
): Promise<void> {
  const path = browsable(file);
  if (path === null) {
    Notification.warning(trans.__('%1 is outside your home folder, and cannot be opened.', file));
    return;
  }
  const widget: IDocumentWidget<TextContent> | undefined = await commands.execute(OPEN, {
    path,
    factory: EDITOR
  });
  await widget?.context.ready;
  const editor = widget?.content.editor;
  const position = { line: Math.max(0, line - 1), column: Math.max(0, column - 1) };
  editor?.setCursorPosition(position);
  editor?.revealPosition(position);
  editor?.focus();
}
