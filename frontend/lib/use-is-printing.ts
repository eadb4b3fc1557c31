import { useSyncExternalStore } from "react";

let isPrinted = false;

function subscribe(listener: () => void) {
  const set = (printed: boolean) => () => {
    isPrinted = printed;
    listener();
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
