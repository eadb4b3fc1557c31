import { useEffect, useEffectEvent } from "react";
import { shortcutOf } from "@/components/keyboard/key-name";

/** Handlers by the name of their shortcut, as `shortcutOf` returns it. */
export type Shortcuts = Partial<Record<string, (event: KeyboardEvent) => void>>;

/**
 * Whether the element handles the key itself: fields, menus and modal dialogs handle all keys,
 * and buttons Enter and Space.
 */
function hasOwnKeys(target: Element, name: string): boolean {
  if (target.closest(TYPED_INTO) || document.querySelector(IN_FRONT)) return true;
  return ["Enter", " "].includes(name) && target.closest(PRESSABLE) !== null;
}

const TYPED_INTO = "input:not([type=checkbox]), textarea, select, [contenteditable]";
const IN_FRONT = "dialog:modal, [role=menu]";
const PRESSABLE = "button, a, input, dialog";

/**
 * Run shortcuts anywhere on the page. Except ⌘K, they do not work while a field has the focus or a
 * modal dialog is open.
 */
export function useKeys(keys: Shortcuts): void {
  const onKeyDown = useEffectEvent((event: KeyboardEvent) => {
    if (event.defaultPrevented) return;
    const name = shortcutOf(event);
    const run = keys[name];
    if (!(run && event.target instanceof Element)) return;
    if (name !== "Mod+k" && hasOwnKeys(event.target, name)) return;
    event.preventDefault();
    run(event);
  });

  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKeyDown(event);
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
}
