import { expect, test } from "vitest";
import { shortcutOf } from "../components/keyboard/key-name";

const pressed = (key: string, code: string, held: Partial<KeyboardEvent> = {}) =>
  shortcutOf({
    key,
    code,
    metaKey: false,
    ctrlKey: false,
    altKey: false,
    shiftKey: false,
    ...held,
  });

test.each([
  ["о", "KeyJ", {}, "j"], // Russian
  ["О", "KeyJ", { shiftKey: true }, "j"],
  ["л", "KeyK", { ctrlKey: true }, "Mod+k"],
  ["я", "KeyZ", { metaKey: true, shiftKey: true }, "Mod+Shift+z"],
  ["№", "Digit3", { shiftKey: true }, "#"],
  ["ξ", "KeyJ", {}, "j"], // Greek
  ["ח", "KeyJ", {}, "j"], // Hebrew
  ["ت", "KeyJ", {}, "j"], // Arabic
  ["ؤ", "KeyC", {}, "c"],
  ["ظ", "Slash", {}, "/"],
  ["؟", "Slash", { shiftKey: true }, "?"],
])(
  "without Latin letters, %s at %s is the shortcut of the Latin layout",
  (key, code, held, name) => {
    expect(pressed(key, code, held)).toBe(name);
  },
);

test.each([
  ["j", "KeyC", {}, "j"], // Dvorak
  ["a", "KeyQ", {}, "a"], // French
  ["é", "Digit2", {}, "é"],
  ["ı", "KeyI", {}, "ı"], // Turkish
  ["?", "Minus", { shiftKey: true }, "?"], // German
  ["ArrowDown", "ArrowDown", { altKey: true }, "Alt+ArrowDown"],
  ["Enter", "Enter", {}, "Enter"],
  [" ", "Space", {}, " "],
])("with Latin letters, %s at %s is the shortcut of its character", (key, code, held, name) => {
  expect(pressed(key, code, held)).toBe(name);
});
