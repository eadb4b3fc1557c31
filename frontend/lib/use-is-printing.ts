import { useSyncExternalStore } from "react";
import { flushSync } from "react-dom";

let isPrinted = false;

function subscribe(listener: () => void) {
  const set = (printed: boolean) => () => {
    isPrinted = printed;
    // The browser prints what the page contains when the event ends.
    flushSync(listener);
  };
  const [onBefore, onAfter] = [set(true), set(false)];
  window.addEventListener("beforeprint", onBefore);
  window.addEventListener("afterprint", onAfter);
  return () => {
    window.removeEventListener("beforeprint", onBefore);
    window.removeEventListener("afterprint", onAfter);
  };
}

/**
 * Return whether the page is being printed: then all rows must be rendered, not only the visible
 * ones.
 */
export function useIsPrinting(): boolean {
  return useSyncExternalStore(
    subscribe,
    () => isPrinted,
    () => false,
  );
}
