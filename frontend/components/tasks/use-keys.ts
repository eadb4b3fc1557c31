import { useEffect, useEffectEvent } from "react";

/** What a key asks for, by its name in `shortcuts`. */
export type Keys = Partial<Record<string, (event: KeyboardEvent) => void>>;

/** What is pressed, with ⌘ and Ctrl as one: "Mod+z". Shift is part of what "?" and "#" are. */
function nameOf({ key, metaKey, ctrlKey, altKey, shiftKey }: KeyboardEvent): string {
  const isCharacter = key.length === 1;
  const name = isCharacter ? key.toLowerCase() : key;
  const shift = shiftKey && (metaKey || ctrlKey || altKey || !isCharacter);
  return `${metaKey || ctrlKey ? "Mod+" : ""}${altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${name}`;
}

/** What has keys of its own: fields, and for Enter and Space whatever they press. */
function isTaken(target: Element, name: string): boolean {
  if (target.closest(TYPED_INTO) || document.querySelector("dialog:modal")) return true;
  return ["Enter", " "].includes(name) && target.closest(PRESSED) !== null;
}

const TYPED_INTO = "input:not([type=checkbox]), textarea, select, [contenteditable]";
const PRESSED = "button, a, input, dialog";

/**
 * Runs what keys ask for anywhere on the page: but for ⌘K, never while something is typed into or a
 * modal dialog is open, nor Enter and Space on what they press.
 */
export function useKeys(keys: Keys): void {
  const onKeyDown = useEffectEvent((event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = nameOf(event);
    const run = keys[name];
    if (!(run && event.target instanceof Element)) return;
    if (name !== "Mod+k" && isTaken(event.target, name)) return;
    event.preventDefault();
    run(event);
  });

  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKeyDown(event);
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
}
