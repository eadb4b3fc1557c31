type Pressed = Pick<KeyboardEvent, "key" | "code" | "metaKey" | "ctrlKey" | "altKey" | "shiftKey">;

/** The characters of keys without a letter on an American keyboard, alone and with Shift. */
const SIGNS: Readonly<Record<string, readonly [string, string]>> = {
  Digit3: ["3", "#"],
  Slash: ["/", "?"],
};

/**
 * Return the character of a key. On a keyboard layout without Latin letters (Cyrillic, Greek,
 * Hebrew) return that of the same key on a Latin one, so that shortcuts keep their places.
 */
function latinKey({ key, code, shiftKey }: Pressed): string {
  if (key.length !== 1 || /[\p{Script=Latin}\x20-\x7e]/u.test(key)) return key;
  const letter = /^Key([A-Z])$/.exec(code)?.[1];
  return letter ?? SIGNS[code]?.[Number(shiftKey)] ?? key;
}

/** Return the name of a shortcut, with ⌘ and Ctrl as "Mod": "Mod+z". */
export function shortcutOf(event: Pressed): string {
  const { metaKey, ctrlKey, altKey, shiftKey } = event;
  const key = latinKey(event);
  const name = key.length === 1 ? key.toLowerCase() : key;
  // "?" and "#" already include Shift.
  const shift = shiftKey && (metaKey || ctrlKey || altKey || key.length !== 1);
  return `${metaKey || ctrlKey ? "Mod+" : ""}${altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${name}`;
}
