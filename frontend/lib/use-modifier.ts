import { useSyncExternalStore } from "react";

const never = () => () => {};

const isMac = () => /Mac|iPhone|iPad/.test(navigator.platform);

/** Return the modifier of shortcuts on this device: "⌘" or "Ctrl ". */
export function useModifier(): string {
  return useSyncExternalStore(
    never,
    () => (isMac() ? "⌘" : "Ctrl "),
    () => "Ctrl ",
  );
}
