import { useEffect, useEffectEvent } from "react";
import { shortcutOf } from "@/components/keyboard/key-name";

/** What a key asks for, by its name in `shortcuts`. */
export type Shortcuts = Partial<Record<string, (event: KeyboardEvent) => void>>;

/** What has keys of its own: fields, and for Enter and Space whatever they press. */
function hasOwnKeys(target: Element, name: string): boolean {
  if (target.closest(TYPED_INTO) || document.querySelector("dialog:modal")) return true;
  return ["Enter", " "].includes(name) && target.closest(PRESSABLE) !== null;
}

const TYPED_INTO = "input:not([type=checkbox]), textarea, select, [contenteditable]";
const PRESSABLE = "button, a, input, dialog";

/**
 * Runs what keys ask for anywhere on the page: but for ⌘K, never while something is typed into or a
 * modal dialog is open, nor Enter and Space on what they press.
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
