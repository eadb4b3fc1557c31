"use client";

import { useEffect } from "react";

/** The key code of a key that an input method handles (UI Events §7.3.1). */
const INPUT_METHOD_KEY_CODE = 229;

/**
 * Hide the keys of an input method from all key handlers, including those of libraries: its Enter
 * chooses a word and its Escape cancels one. Safari ends the composition before it reports the key;
 * then only the key code tells.
 */
export function InputMethod() {
  useEffect(() => {
    const stop = (event: KeyboardEvent) => {
      if (!event.isComposing && event.keyCode !== INPUT_METHOD_KEY_CODE) return;
      event.stopImmediatePropagation();
      // Otherwise the browser would close a dialog.
      if (event.key === "Escape") event.preventDefault();
    };
    // On `window` in the capture phase, before all other listeners.
    window.addEventListener("keydown", stop, true);
    return () => window.removeEventListener("keydown", stop, true);
  }, []);
  return null;
}
