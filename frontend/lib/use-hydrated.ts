import { useSyncExternalStore } from "react";

const never = () => () => {};

/** False in the server's HTML, true from when React answers for the page. */
export function useHydrated(): boolean {
  return useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
}
