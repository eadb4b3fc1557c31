type Pressed = Pick<KeyboardEvent, "key" | "code" | "metaKey" | "ctrlKey" | "altKey" | "shiftKey">;

/** What the keys of an American keyboard with no letter write, alone and with Shift. */
const SIGNS: Readonly<Record<string, readonly [string, string]>> = {
  Digit3: ["3", "#"],
  Slash: ["/", "?"],
};

/**
 * Return what a key writes. Under a layout of other letters (Cyrillic, Greek, Hebrew) it is what the
 * key at this place writes under a Latin one, so that shortcuts are where people know them.
 */
function latinKey({ key, code, shiftKey }: Pressed): string {
  if (key.length !== 1 || /[\p{Script=Latin}\x20-\x7e]/u.test(key)) return key;
  const letter = /^Key([A-Z])$/.exec(code)?.[1];
  return letter ?? SIGNS[code]?.[Number(shiftKey)] ?? key;
}

/** Return the name of what is pressed, with ⌘ and Ctrl as one: "Mod+z". */
export function shortcutOf(event: Pressed): string {
  const { metaKey, ctrlKey, altKey, shiftKey } = event;
  const key = latinKey(event);
  const name = key.length === 1 ? key.toLowerCase() : key;
  // Shift is part of what "?" and "#" are.
  const shift = shiftKey && (metaKey || ctrlKey || altKey || key.length !== 1);
  return `${metaKey || ctrlKey ? "Mod+" : ""}${altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${name}`;
}
