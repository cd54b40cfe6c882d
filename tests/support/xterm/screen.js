// Draws output as JupyterLab's terminal does and tells what would be seen: one JSON request a line,
// {"columns", "rows", "steps": ["text to write" | [columns, rows] to resize to]}, one JSON answer a line.
"use strict";
const path = require("path");
const readline = require("readline");
const modules = process.argv[2];
const { Terminal } = require(path.join(modules, "@xterm/headless"));
const { Unicode11Addon } = require(path.join(modules, "@xterm/addon-unicode11"));

function describeCell(cell) {
  // 31 and 38;5;1 are the same colour, and drawn alike.
  const colour = (mode, value) => (mode === 0 ? 0 : `${mode >> 24 === 3 ? "rgb" : "palette"}:${value}`);
  const flags = ["Bold", "Italic", "Dim", "Underline", "Blink", "Inverse", "Invisible", "Strikethrough", "Overline"]
    .filter((name) => cell[`is${name}`]()).join(" ");
  return [
    cell.getChars() || " ", cell.getWidth(),
    colour(cell.getFgColorMode(), cell.getFgColor()), colour(cell.getBgColorMode(), cell.getBgColor()), flags,
  ];
}

// Runs of cells that look alike, so that a difference is legible; blank ends are not seen.
function describeRow(line, columns) {
  const runs = [];
  for (let column = 0; column < columns; column++) {
    const [characters, width, ...look] = describeCell(line.getCell(column));
    if (width === 0) continue;
    const last = runs[runs.length - 1];
    const key = JSON.stringify(look);
    if (last && last[1] === key) last[0] += characters;
    else runs.push([characters, key]);
  }
  const end = runs[runs.length - 1];
  if (end && end[1] === '[0,0,""]') end[0] = end[0].replace(/ +$/, "");
  if (end && end[0] === "") runs.pop();
  return runs.map(([text, key]) => [text, ...JSON.parse(key)]);
}

function textOf(buffer) {
  const lines = [];
  for (let y = 0; y < buffer.baseY; y++) lines.push(buffer.getLine(y).translateToString(true));
  return lines;
}

function describe(terminal, heard) {
  const buffer = terminal.buffer.active;
  const inner = terminal._core;
  const pen = inner._inputHandler._curAttrData;
  const screen = [];
  for (let y = 0; y < terminal.rows; y++) screen.push(describeRow(buffer.getLine(buffer.baseY + y), terminal.cols));
  return {
    screen,
    text: screen.map((runs) => runs.map((run) => run[0]).join("")),
    buffer: buffer.type,
    cursor: [buffer.cursorX, buffer.cursorY],
    cursorHidden: inner.coreService.isCursorHidden,
    modes: { ...terminal.modes },
    mouseEncoding: inner.coreMouseService.activeEncoding,
    charset: [inner._charsetService.glevel, ...[0, 1, 2, 3].map((slot) => Boolean(inner._charsetService._charsets[slot]?.q))],
    margins: [inner.buffer.scrollTop, inner.buffer.scrollBottom],
    pen: describeCell(Object.assign(buffer.getNullCell(), { fg: pen.fg, bg: pen.bg, extended: pen.extended })).slice(2),
    title: heard.title,
    typed: heard.typed,
    scrollback: textOf(terminal.buffer.normal),
  };
}

async function draw({ columns, rows, steps }) {
  const terminal = new Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 1000, logLevel: "off" });
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  const heard = { title: "", typed: "" };
  terminal.onTitleChange((title) => { heard.title = title; });
  terminal.onData((data) => { heard.typed += data; });
  for (const step of steps) {
    if (typeof step === "string") await new Promise((resolve) => terminal.write(step, resolve));
    else terminal.resize(step[0], step[1]);
  }
  const answer = describe(terminal, heard);
  terminal.dispose();
  return answer;
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await draw(JSON.parse(line))) + "\n");
  }
})();
