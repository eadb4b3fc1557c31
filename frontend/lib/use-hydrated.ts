import { useSyncExternalStore } from "react";

const never = () => () => {};

/** Return false in the server's HTML, and true once React handles events. */
export function useHydrated(): boolean {
  return useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
}
