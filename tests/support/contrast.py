"""How well the text of a terminal can be read: measured from the pixels of a picture of it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from .lab_page import LabPage

# Strokes of one pixel are mixed with what is behind them; what WCAG compares is the text's colour.
THICKEN = """async () => {
  const {_term: terminal} = window.jupyterapp.shell.currentWidget.content;
  Object.assign(terminal.options, {fontWeight: 900, fontWeightBold: 900});
  for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
}"""
# Runs of letters that look alike, by xterm's buffer; each with the pixels of its cells.  The
# background is what most of these have, the text's colour what differs most from it: strokes are
# blurred at their edges.
MEASURE = """async png => {
  const widget = window.jupyterapp.shell.currentWidget;
  const {_term: terminal, node} = widget.content;
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  const scale = image.width / window.innerWidth;
  const box = node.querySelector('.xterm-screen').getBoundingClientRect();
  const [width, height] = [box.width / terminal.cols, box.height / terminal.rows];
  const linear = part => part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) =>
    .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  const contrast = (a, b) => {
    const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
    return (bright + .05) / (dark + .05);
  };
  const look = cell => [
    cell.getFgColorMode(), cell.getFgColor(), cell.getBgColorMode(), cell.getBgColor(),
    cell.isBold(), cell.isDim(), cell.isInverse(), cell.isInvisible(),
  ].join();
  const measure = run => {
    const counts = new Map();
    for (const [x, y] of run.cells) {
      const place = [box.left + x * width, box.top + y * height, width, height];
      const {data} = context.getImageData(...place.map(value => Math.round(value * scale)));
      for (let i = 0; i < data.length; i += 4) {
        const key = data[i] << 16 | data[i + 1] << 8 | data[i + 2];
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    const parts = key => [key >> 16, key >> 8 & 255, key & 255];
    const [ground] = [...counts].sort((a, b) => b[1] - a[1])[0];
    const most = Math.max(...[...counts.keys()].map(key => contrast(parts(key), parts(ground))));
    return {text: run.text, contrast: most, row: run.cells[0][1], look: run.look};
  };
  const buffer = terminal.buffer.active;
  const runs = [];
  for (let y = 0; y < terminal.rows; y++) {
    const line = buffer.getLine(buffer.viewportY + y);
    let run = null;
    for (let x = 0; x < terminal.cols; x++) {
      const cell = line?.getCell(x);
      const cursorY = buffer.baseY + buffer.cursorY - buffer.viewportY;
      const isCursor = x === buffer.cursorX && y === cursorY;
      if (!cell || isCursor || cell.isInvisible()) { run = null; continue; }
      if (run?.look !== look(cell)) runs.push(run = {look: look(cell), text: '', cells: []});
      run.text += cell.getChars() || ' ';
      if (/[\\p{L}\\p{N}]/u.test(cell.getChars())) run.cells.push([x, y]);
    }
  }
  return runs.filter(run => run.cells.length > 1).map(measure);
}"""


@dataclass(frozen=True)
class Run:
    """Some text that looks alike, and its contrast (WCAG 2, 1 to 21) against what is behind it."""

    text: str
    contrast: float
    row: int
    look: str


def runs(lab: LabPage) -> list[Run]:
    """Measure the terminal in front, once its letters are thick."""
    lab.page.evaluate(THICKEN)
    picture = base64.b64encode(lab.page.screenshot(animations="disabled")).decode()
    return [Run(**run) for run in lab.page.evaluate(MEASURE, picture)]
