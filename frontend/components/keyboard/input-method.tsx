"use client";

import { useEffect } from "react";

/** The key code of a key that an input method handles (UI Events §7.3.1). */
const INPUT_METHOD_KEY_CODE = 229;

/**
 * Keeps the keys of an input method from every key handler of the app, its libraries' too: Enter
 * there chooses a word, Escape drops one, and neither is for the field. Safari ends the composition
 * before it reports the key, which only the key code tells then.
 */
export function InputMethod() {
  useEffect(() => {
    const stop = (event: KeyboardEvent) => {
      if (!event.isComposing && event.keyCode !== INPUT_METHOD_KEY_CODE) return;
      event.stopImmediatePropagation();
      // Nor is it for the browser, which would close a dialog.
      if (event.key === "Escape") event.preventDefault();
    };
    // Before any other listener: React's are at the document.
    window.addEventListener("keydown", stop, true);
    return () => window.removeEventListener("keydown", stop, true);
  }, []);
  return null;
}
