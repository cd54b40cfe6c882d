/**
 * Dim text (SGR 2) in a readable colour: xterm draws it half transparent, and asks for only half of
 * the least contrast.  On white that leaves 3.9 of black text, and 1.5 of an agent's hints.
 *
 * Here text that is dim in the default colour gets the palette's grey, and other text keeps its
 * colour; both have the least contrast in full.  `_inputHandler` is private (xterm 5.5): without it,
 * dim text stays as xterm draws it.  This may go when xterm has an option for the contrast of dim text.
 */

// In `AttributeData` of xterm: a flag of the background's number, and a colour of the palette.
const DIM = 0x8000000;
const COLOUR_MODE = 0x3000000;
const GREY = 0x1000000 | 8;
const COLOUR = COLOUR_MODE | 0xffffff;

interface Attributes {
  fg: number;
  bg: number;
}

interface InputHandler {
  charAttributes(params: unknown): boolean;
  _curAttrData: Attributes;
}

export function keepDimReadable(xterm: object): void {
  const { _core: core } = xterm as { _core?: { _inputHandler?: Partial<InputHandler> } };
  const handler = core?._inputHandler;
  if (typeof handler?.charAttributes !== 'function' || !handler._curAttrData) {
    return;
  }
  const set = handler.charAttributes.bind(handler);
  let isDim = false;
  handler.charAttributes = params => {
    undo(handler._curAttrData, isDim);
    const result = set(params);
    isDim = replace(handler._curAttrData);
    return result;
  };
}

/** Make the attributes dim again as the program set them, unless a reset has changed them since. */
function undo(attributes: Attributes | undefined, isDim: boolean): void {
  if (attributes && isDim && attributes.fg & COLOUR_MODE) {
    attributes.bg |= DIM;
    if ((attributes.fg & COLOUR) === GREY) {
      attributes.fg &= ~COLOUR;
    }
  }
}

/** Replace what is dim; return whether it was. */
function replace(attributes: Attributes | undefined): boolean {
  if (!attributes || !(attributes.bg & DIM)) {
    return false;
  }
  attributes.bg &= ~DIM;
  if ((attributes.fg & COLOUR_MODE) === 0) {
    attributes.fg = (attributes.fg & ~COLOUR) | GREY;
  }
  return true;
}
