/** Pure functions that format numbers, quote paths and decode text. */

/** Return the whole seconds until an instant, at least 0; null for an invalid or missing one. */
export function secondsUntil(instant: string | null | undefined, now: number): number | null {
  const at = instant ? Date.parse(instant) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now) / 1000));
}

/** Return a time that is left, rounded up, such as 1 min, 9 min or 2 h. */
export function leftText(seconds: number): string {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** Return an instant as people write it: the time if it is of today, else with its day. */
export function whenText(at: Date, now = new Date()): string {
  const time = at.toLocaleTimeString([], { timeStyle: 'short' });
  return at.toDateString() === now.toDateString()
    ? time
    : `${at.toLocaleDateString([], { dateStyle: 'medium' })}, ${time}`;
}

/** Return how long ago an instant was, such as 40 s, 5 min or 2 h; '' for an invalid one. */
export function ageText(since: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  if (Number.isNaN(seconds)) {
    return '';
  }
  if (seconds < 60) {
    return `${seconds} s`;
  }
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

/** Return a number of bytes with a unit, such as 1.5 MB. */
export function byteText(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Return a shortened count, such as 12.3k. */
export function countText(count: number): string {
  if (count < 1000) {
    return String(count);
  }
  return count < 1e6 ? `${(count / 1e3).toFixed(1)}k` : `${(count / 1e6).toFixed(1)}M`;
}

/** Return a number of tokens as vendors write it, such as 128k or 1.05M. */
export function tokenText(count: number): string {
  return count < 1e6 ? `${Math.round(count / 1e3)}k` : `${Number((count / 1e6).toFixed(2))}M`;
}

/** Return a model's name without what the names of a workspace's models begin with. */
export function shortModel(model: string): string {
  return model.replace(/^(?:system\.ai\.)?databricks-(?:claude-|gemini-)?/, '');
}

// A terminal would act on these if they were typed: line ends, escape sequences, ^C.
const CONTROL = /\p{Cc}/u;

/** Quote a path for bash, and for agents that unquote as shells do. */
export function quoted(path: string): string {
  if (CONTROL.test(path)) {
    return `$'${path.replace(/[\\'\p{Cc}]/gu, escaped)}'`;
  }
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** Return a character as it is written between $' and '. */
function escaped(character: string): string {
  if (!CONTROL.test(character)) {
    return `\\${character}`;
  }
  const bytes = [...new TextEncoder().encode(character)];
  return bytes.map(byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

/** Return the UTF-8 text that is encoded in base64; null if it is not valid. */
export function fromBase64(text: string): string | null {
  try {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Return the points of a line chart in a box, the highest value at the top. */
export function chartPoints(values: number[], width: number, height: number): string {
  const highest = Math.max(...values, 1e-9);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  return values
    .map((v, i) => `${(i * step).toFixed(1)},${(height - (v / highest) * height).toFixed(1)}`)
    .join(' ');
}

/** Return two letters for a title: the initials of two words, or the start of one. */
export function initials(title: string): string {
  const [first = '?', second] = title.match(/[A-Za-z0-9]+/g) ?? [];
  return second ? first.charAt(0) + second.charAt(0) : first.slice(0, 2);
}

/** Return a colour of CSS as #rrggbb; null if it is none.  Only in a page, which knows the names. */
export function hexColour(css: string): string | null {
  const context = document.createElement('canvas').getContext('2d');
  if (!context || !CSS.supports('color', css.trim())) {
    return null;
  }
  context.fillStyle = css.trim();
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0] = context.getImageData(0, 0, 1, 1).data;
  return `#${[red, green, blue].map(part => part.toString(16).padStart(2, '0')).join('')}`;
}

/** A path in a line of text, with the line and column in the file that it names, from 1. */
export interface FilePlace {
  path: string;
  line: number;
  column: number;
  /** Where it is in the text. */
  start: number;
  end: number;
}

// `a/b.py:12:3`, `a.py(12,3)`, `"a.py", line 12`; a path alone counts if it has a slash.
const PLACE =
  /(?<![\w:/.@-])((?:~|\.{1,2})?\/?[\w@+.-]+(?:\/[\w@+.-]+)*)(?:(?::|\(|", line )(\d{1,7})(?:[:,] ?(\d{1,5}))?\)?)?/g;

/** Return what may be files in a line of a terminal; addresses of the web are not. */
export function filePlaces(text: string, most = 20): FilePlace[] {
  const places = [];
  for (const match of text.matchAll(PLACE)) {
    const [whole, path = '', line, column] = match;
    if (!line && !path.includes('/')) {
      continue;
    }
    const trimmed = line ? path : path.replace(/\.+$/, '');
    const end = match.index + (line ? whole.length : trimmed.length);
    places.push({
      path: trimmed,
      line: Number(line ?? 1),
      column: Number(column ?? 1),
      start: match.index,
      end
    });
  }
  return places.slice(0, most);
}
