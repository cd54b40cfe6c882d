// Draws terminal output with xterm.js and writes back what brings a fresh terminal into the same state.
//
// A request on standard input is the length of what follows it as a big-endian 32-bit number, a list in JSON of
// [rows, columns] (the terminal is given this size) and numbers (so many bytes of output), those bytes, and a
// newline.  The answer is a length and as many bytes.  Nothing is kept between requests.
//
// With "text" in that list the answer is the screen's text in JSON instead, with the lines that scrolled off last.
//
// xterm-headless.js is the file of that name in the npm package @xterm/headless 5.5.0, the version of JupyterLab's
// terminals, as it was published; its licence is in LICENSE, which is that of addon-unicode11.js, too (the package
// @xterm/addon-unicode11 0.8.0): characters are as wide here as the front end makes them in the browser.
"use strict";
const { Terminal } = require("./xterm-headless.js");
const { Unicode11Addon } = require("./addon-unicode11.js");

// As many lines as JupyterLab's terminal keeps by default; more could not be seen.
const SCROLLBACK_LINES = 1000;
// Lines that have scrolled off are left out beyond that: colours can make each cell 40 characters.
const MOST_CHARACTERS = 512 * 1024;
// No real letter has as many combining characters; garbage must not grow a cell without end.
const MOST_JOINED = 32;
const HEAD_BYTES = 4;
// Old lines are freed only when V8 sees a need; a process that has grown beyond this makes way for a fresh one.
const MOST_RESIDENT_BYTES = 90_000_000;
const LEAST_SKIPPED_BYTES = 64 * 1024;
const MOST_TITLE = 4096;
// What a phone is sent of a screen and what scrolled off it last.
const MOST_TEXT_LINES = 150;
const MOST_TAIL_BYTES = 4096;
const CHARSETS = "0A4C5RQKYE6ZH7=";
const SECOND_HALF = 0; // the width of a cell that belongs to the wide character before it
const P16 = 0x1000000, P256 = 0x2000000, RGB = 0x3000000; // the modes of a colour
const FLAGS = [
  ["isBold", "1"], ["isDim", "2"], ["isItalic", "3"], ["isBlink", "5"], ["isInverse", "7"], ["isInvisible", "8"],
  ["isStrikethrough", "9"], ["isOverline", "53"],
];
const MOUSE_PROTOCOLS = { X10: 9, VT200: 1000, DRAG: 1002, ANY: 1003 };
const MOUSE_ENCODINGS = { SGR: 1006, SGR_PIXELS: 1016 };

class Screen {
  constructor(columns, rows) {
    const options = { cols: columns, rows, scrollback: SCROLLBACK_LINES, allowProposedApi: true, logLevel: "off" };
    this.terminal = new Terminal(options);
    this.core = this.terminal._core; // private, hence the pinned version
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = "11";
    this.title = "";
    this.limitRepeats();
    this.terminal.onTitleChange((title) => { this.title = title.slice(0, MOST_TITLE); });
    this.cell = this.terminal.buffer.active.getNullCell();
  }

  // REP allocates as many characters as it is told to; more than fill the screen leave the same screen.
  limitRepeats() {
    const handler = this.core._inputHandler;
    const repeat = handler.repeatPrecedingCharacter.bind(handler);
    handler.repeatPrecedingCharacter = (params) => {
      const { cols, rows } = this.terminal, count = params.params[0], most = cols * rows;
      if (count > most) params.params[0] = most + ((count - most) % cols);
      return repeat(params);
    };
  }

  feed(output) {
    const skipped = output.length > LEAST_SKIPPED_BYTES && this.isPlain() ? scrolledOff(output, this.terminal.rows) : 0;
    if (skipped) this.core.writeSync(lasting(output.subarray(0, skipped)));
    this.core.writeSync(output.subarray(skipped));
  }

  // Whether lines of text scroll everything else off.
  isPlain() {
    const { active, normal } = this.core._bufferService.buffers;
    const isBetween = this.core._inputHandler._parser.currentState === 0;
    return isBetween && active === normal && this.margins(normal) === "" && !this.core.coreService.decPrivateModes.origin;
  }

  // What has begun and not ended in the output that was fed last.
  unfinished(output) {
    return this.core._inputHandler._parser.currentState === 0 ? "" : beginning(output);
  }

  render() {
    const { normal, alt, active } = this.core._bufferService.buffers;
    const parts = [this.title && `\x1b]2;${this.title}\x07`];
    // xterm.js counts the saved row from the first line of the scrollback, which can be cleared.
    const isAbove = normal.savedY < normal.ybase;
    if (isAbove) parts.push(this.saved(normal, Math.min(normal.savedY, this.terminal.rows - 1)), to(0, 0));
    parts.push(this.history(normal));
    if (active === alt) {
      // Saved as 1049 has done: the program finds this cursor again when it leaves the screen.
      parts.push(this.margins(normal), isAbove ? "" : this.saved(normal), "\x1b[0m\x1b[?1047h", this.placed(alt));
    }
    if (active === alt || !isAbove) parts.push(this.saved(active));
    parts.push(...this.modes(), this.margins(active), this.position(active), ...this.last());
    return parts.join("");
  }

  // The text alone, each line that wrapped as one, and whether a paste is to be marked as one.
  text() {
    const buffer = this.terminal.buffer.active;
    const first = Math.max(0, buffer.length - MOST_TEXT_LINES);
    const lines = [];
    for (let y = first; y < buffer.length; y++) {
      const line = buffer.getLine(y), next = buffer.getLine(y + 1);
      const text = line.translateToString(!(next && next.isWrapped));
      if (line.isWrapped && lines.length) lines.push(lines.pop() + text);
      else lines.push(text);
    }
    while (lines.length && !lines[lines.length - 1].trim()) lines.pop();
    return JSON.stringify({ lines, marks_pastes: this.terminal.modes.bracketedPasteMode });
  }

  // History and screen; lines that wrapped wrap again, so that they reflow later.
  history(buffer) {
    const parts = [];
    const last = buffer.ybase ? buffer.lines.length - 1 : this.lastUsed(buffer);
    let size = 0;
    for (let y = last; y >= 0; y--) {
      const line = buffer.lines.get(y);
      const next = y < last ? buffer.lines.get(y + 1) : null;
      const isContinued = Boolean(next && next.isWrapped);
      if (size > MOST_CHARACTERS && y < buffer.ybase && !isContinued) break;
      const text = this.line(line, { isFirst: !line.isWrapped, next: isContinued ? next : null });
      parts.push(next && !isContinued ? `${text}\x1b[0m\r\n` : text);
      size += text.length;
    }
    return `${parts.reverse().join("")}\x1b[0m`;
  }

  placed(buffer) {
    let text = "";
    for (let y = 0; y < this.terminal.rows; y++) {
      const drawn = this.line(buffer.lines.get(buffer.ybase + y), { isFirst: true, next: null });
      if (drawn) text += `${to(y, 0)}${drawn}`;
    }
    return text;
  }

  lastUsed(buffer) {
    let y = buffer.lines.length - 1;
    while (y >= 0 && !usedCells(buffer.lines.get(y))) y--;
    return y;
  }

  // `next`: the line that this one, having reached the right margin, has continued in.
  line(line, { isFirst, next }) {
    const columns = this.terminal.cols;
    let end = usedCells(line);
    if (next) end = columns;
    else if (!isFirst) end = Math.max(end, 1);
    // A wide character that wraps leaves the last cell as blank as this.
    const isWide = next && next.getWidth(0) === 2 && isBlankAs(line, columns - 1, next.getFg(0), next.getBg(0));
    if (isWide) end = columns - 1;
    let text = "", fg = 0, bg = 0, extended = "", link = 0, skipped = 0;
    const cell = this.cell;
    for (let x = 0; x < end; x++) {
      line.loadCell(x, cell);
      if (cell.getWidth() === SECOND_HALF) continue;
      const characters = cell.getChars();
      const isForced = (x === 0 && !isFirst) || (next && !isWide && x === columns - 1);
      if (!characters && !isForced && cell.bg === 0 && cell.fg === 0) {
        skipped++;
        continue;
      }
      if (skipped) text += `\x1b[${skipped}C`;
      skipped = 0;
      const more = cell.hasExtendedAttrs() ? `${cell.extended.ext}` : "";
      const url = more ? cell.extended.urlId : 0;
      if (cell.fg !== fg || cell.bg !== bg || more !== extended || url !== link) {
        text += this.style(cell);
        if (url !== link) text += this.link(url);
        [fg, bg, extended, link] = [cell.fg, cell.bg, more, url];
      }
      if (characters || isForced || !isErased(cell)) text += characters.slice(0, MOST_JOINED) || " ";
      else {
        let count = 1;
        while (x + count < end - (next && !isWide ? 1 : 0) && isBlankAs(line, x + count, fg, bg)) count++;
        text += `\x1b[${count}X`;
        x += count - 1;
        skipped = count;
      }
    }
    if (next && skipped) text += `\x1b[${skipped}C`;
    if (fg || bg) text += "\x1b[0m";
    return link ? text + this.link(0) : text;
  }

  style(cell) {
    const codes = ["0"];
    for (const [flag, code] of FLAGS) if (cell[flag]()) codes.push(code);
    if (cell.isUnderline()) codes.push(`4:${cell.getUnderlineStyle() || 1}`);
    codes.push(...colour(cell.getFgColorMode(), cell.getFgColor(), 30, 38));
    codes.push(...colour(cell.getBgColorMode(), cell.getBgColor(), 40, 48));
    if (cell.hasExtendedAttrs() && cell.isUnderlineColorRGB()) codes.push(...colour(RGB, cell.getUnderlineColor(), 0, 58));
    else if (cell.hasExtendedAttrs() && cell.isUnderlineColorPalette()) codes.push(...colour(P256, cell.getUnderlineColor(), 0, 58));
    return `\x1b[${codes.join(";")}m`;
  }

  link(id) {
    const data = id ? this.core._oscLinkService.getLinkData(id) : null;
    return data ? `\x1b]8;${data.id ? `id=${data.id}` : ""};${data.uri}\x1b\\` : "\x1b]8;;\x1b\\";
  }

  // The look of what is printed next, as a cell's.
  pen({ fg, bg, extended }) {
    Object.assign(this.cell, { fg, bg, extended });
    return this.style(this.cell) + this.link(this.cell.hasExtendedAttrs() ? extended.urlId : 0);
  }

  saved(buffer, row = Math.max(buffer.savedY - buffer.ybase, 0)) {
    const name = charsetName(buffer.savedCharset);
    return `${to(row, buffer.savedX)}${this.pen(buffer.savedCurAttrData)}\x1b(${name}\x1b7\x1b(B\x1b[0m\x1b]8;;\x1b\\`;
  }

  margins(buffer) {
    const isWhole = buffer.scrollTop === 0 && buffer.scrollBottom === this.terminal.rows - 1;
    return isWhole ? "" : `\x1b[${buffer.scrollTop + 1};${buffer.scrollBottom + 1}r`;
  }

  modes() {
    const { coreService, coreMouseService, optionsService } = this.core;
    const modes = coreService.decPrivateModes;
    const numbers = [
      [modes.applicationCursorKeys, 1], [modes.reverseWraparound, 45], [modes.sendFocus, 1004],
      [modes.bracketedPasteMode, 2004], [true, MOUSE_PROTOCOLS[coreMouseService.activeProtocol]],
      [true, MOUSE_ENCODINGS[coreMouseService.activeEncoding]],
    ].filter(([isSet, number]) => isSet && number);
    const { cursorStyle, cursorBlink, convertEol } = optionsService.rawOptions;
    const shape = { block: 2, underline: 4, bar: 6 }[cursorStyle] - (cursorBlink ? 1 : 0);
    return [
      ...numbers.map(([, number]) => `\x1b[?${number}h`),
      coreService.isCursorHidden ? "\x1b[?25l" : "",
      modes.applicationKeypad ? "\x1b=" : "",
      shape !== 2 ? `\x1b[${shape} q` : "",
      convertEol ? "\x1b[20h" : "",
    ];
  }

  // A wrap is pending again once the last cell is drawn again.
  position(buffer) {
    const { decPrivateModes } = this.core.coreService;
    const row = buffer.y - (decPrivateModes.origin ? buffer.scrollTop : 0);
    const origin = decPrivateModes.origin ? "\x1b[?6h" : "";
    if (buffer.x < this.terminal.cols) return origin + to(row, buffer.x);
    const line = buffer.lines.get(buffer.ybase + buffer.y);
    let column = this.terminal.cols - 1;
    while (column && line.getWidth(column) === SECOND_HALF) column--;
    line.loadCell(column, this.cell);
    const url = this.cell.hasExtendedAttrs() ? this.cell.extended.urlId : 0;
    return `${origin}${to(row, column)}${this.style(this.cell)}${this.link(url)}${this.cell.getChars() || " "}`;
  }

  // What must not be in force while the rest is drawn.
  last() {
    const { coreService, _charsetService, _inputHandler } = this.core;
    const charsets = _charsetService._charsets.slice(0, 4).map(charsetName);
    return [
      this.pen(_inputHandler._curAttrData),
      coreService.decPrivateModes.wraparound ? "" : "\x1b[?7l",
      coreService.modes.insertMode ? "\x1b[4h" : "",
      ...Array.from(charsets, (name, slot) => (name === "B" ? "" : `\x1b${"()*+"[slot]}${name}`)),
      ["", "\x0e", "\x1bn", "\x1bo"][_charsetService.glevel],
    ];
  }
}

// What neither moves lines down nor changes how lines scroll off: looks, movements, erasing, titles.
const HARMLESS =
  "\\[[0-9;:]*m|\\[[0-9;]*[A-HJKPX`adef]|\\[\\?(?:1|12|25|1000|1002|1003|1004|1006|2004|2026)[hl]|\\][012];[^\\x07\\x1b]*(?:\\x07|\\x1b\\\\)";
const HARMFUL = new RegExp(`\\x1b(?!${HARMLESS})|[\\x0e\\x0f]|\\xc2[\\x80-\\x9f]`);
const UP = /\x1b\[[0-9;]*[AFHdf]/g;

// Return how many bytes of the output leave nothing that can be seen: those before a line from which on, wherever
// the cursor was, so many lines scroll that the screen and the scrollback are filled anew.
function scrolledOff(output, rows) {
  const text = output.latin1Slice();
  if (HARMFUL.test(text)) return 0;
  const ups = [0, ...Array.from(text.matchAll(UP), (match) => match.index)];
  let missing = rows + SCROLLBACK_LINES;
  let at = text.lastIndexOf("\n");
  for (const up of ups.reverse()) {
    let lines = 0;
    for (; at >= Math.max(up, 1); at = text.lastIndexOf("\n", at - 1)) {
      lines++; // the first of these may only take the cursor to the last row
      if (lines >= rows && --missing <= 0 && text[at - 1] === "\r") return at + 1;
    }
  }
  return 0;
}

// Return the sequences whose effect outlasts such output, and the cursor's column.
function lasting(output) {
  const text = output.latin1Slice();
  const reset = Math.max(0, text.lastIndexOf("\x1b[0m"), text.lastIndexOf("\x1b[m"));
  const looks = text.slice(reset).match(/\x1b\[[0-9;:]*m/g) ?? [];
  const modes = text.match(/\x1b(?:\[\?[0-9]+[hl]|\][^\x07\x1b]*(?:\x07|\x1b\\))/g) ?? [];
  return Buffer.from([...modes, ...looks, "\r"].join(""), "latin1");
}

// The beginning of a sequence whose end is still to come; control characters in it have acted.
function beginning(output) {
  const tail = output.subarray(output.lastIndexOf(0x1b)).subarray(0, MOST_TAIL_BYTES).toString();
  return tail.replace(/[\x00-\x1a\x1c-\x1f]/g, "");
}

function colour(mode, value, base, extended) {
  if (mode === P16) return [`${value < 8 ? base + value : base + 60 + value - 8}`];
  if (mode === P256) return [`${extended}`, "5", `${value}`];
  if (mode === RGB) return [`${extended}`, "2", `${(value >> 16) & 255}`, `${(value >> 8) & 255}`, `${value & 255}`];
  return [];
}

function to(row, column) {
  return `\x1b[${row + 1};${column + 1}H`;
}

// How many cells there are up to the last one that was written or coloured.
function usedCells(line) {
  let end = line.length;
  while (end && !line.hasContent(end - 1) && line.getWidth(end - 1) !== SECOND_HALF && line.getFg(end - 1) === 0 && line.getBg(end - 1) === 0) end--;
  return end;
}

// Whether a cell without a character looks as erasing leaves it: nothing but the background.
function isErased({ fg, bg }) {
  return fg === 0 && (bg & ~(RGB | 0xffffff)) === 0;
}

function isBlankAs(line, x, fg, bg) {
  return !line.hasContent(x) && line.getWidth(x) === 1 && line.getFg(x) === fg && line.getBg(x) === bg;
}

const names = new Map([[undefined, "B"]]);
function charsetName(charset) {
  if (names.size === 1) {
    const probe = new Screen(2, 1);
    for (const name of CHARSETS) {
      probe.core.writeSync(`\x1b(${name}`);
      names.set(probe.core._charsetService._charsets[0], name);
    }
  }
  return names.get(charset) ?? "B";
}

function draw(steps, body) {
  let screen = null, start = 0;
  for (const step of steps) {
    if (step === "text") continue;
    if (typeof step === "number") {
      screen.feed(body.subarray(start, start + step));
      start += step;
    } else if (screen) screen.terminal.resize(step[1], step[0]);
    else screen = new Screen(step[1], step[0]);
  }
  const isText = steps.includes("text");
  const text = isText ? screen.text() : screen.render() + screen.unfinished(body.subarray(0, start));
  screen.terminal.dispose();
  return Buffer.from(text);
}

let wanted = HEAD_BYTES, steps = null;

function take(bytes) {
  if (wanted === HEAD_BYTES && !steps) {
    steps = [];
    wanted = bytes.readUInt32BE();
  } else if (!steps.length) {
    steps = JSON.parse(bytes);
    wanted = steps.reduce((sum, step) => sum + (typeof step === "number" ? step : 0), 1);
  } else {
    const answer = draw(steps, bytes);
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(answer.length);
    process.stdout.write(head);
    process.stdout.write(answer);
    [steps, wanted] = [null, HEAD_BYTES];
    if (process.memoryUsage.rss() > MOST_RESIDENT_BYTES) process.exit(0); // the next request starts another
  }
}

process.stdin.on("readable", () => {
  for (let bytes = process.stdin.read(wanted); bytes; bytes = process.stdin.read(wanted)) take(bytes);
});
process.stdin.on("end", () => process.exit(0));
