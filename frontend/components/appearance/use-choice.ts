import { useCallback, useSyncExternalStore } from "react";
import { barColors, type Choice, type ChoiceName, choiceOf, type Theme } from "./choices";

const listeners = new Set<() => void>();

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function colorBar(theme: Theme): void {
  for (const { media, color } of barColors(theme)) {
    document
      .querySelector(`meta[name=theme-color][media="${media}"]`)
      ?.setAttribute("content", color);
  }
}

/** Return what the person chose, and a function that changes it. */
export function useChoice<Name extends ChoiceName>(
  name: Name,
): [Choice<Name>, (option: Choice<Name>) => void] {
  const choice = useSyncExternalStore(
    subscribe,
    () => choiceOf(name, document.documentElement.dataset[name]),
    () => choiceOf(name, null),
  );
  const choose = useCallback(
    (option: Choice<Name>) => {
      document.documentElement.dataset[name] = option;
      if (name === "theme") colorBar(choiceOf("theme", option));
      // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is for https alone
      document.cookie = `${name}=${option}; path=/; max-age=31536000; samesite=lax`;
      for (const listener of listeners) listener();
    },
    [name],
  );
  return [choice, choose];
}
