import { useSyncExternalStore } from "react";

const never = () => () => {};

const isMac = () => /Mac|iPhone|iPad/.test(navigator.platform);

/** What stands before a shortcut's letter on this machine's keyboard: "⌘", or "Ctrl ". */
export function useModifier(): string {
  return useSyncExternalStore(
    never,
    () => (isMac() ? "⌘" : "Ctrl "),
    () => "Ctrl ",
  );
}
