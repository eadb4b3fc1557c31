"use client";

import { Monitor, Moon, Sun } from "lucide-react";
import { useSyncExternalStore } from "react";
import { useHydrated } from "@/lib/use-hydrated";
import { barColors, isTheme, THEME_COOKIE, type Theme } from "./themes";

const ICONS = { system: Monitor, light: Sun, dark: Moon } as const;
const listeners = new Set<() => void>();

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function themeHere(): Theme {
  const { theme } = document.documentElement.dataset;
  return isTheme(theme) ? theme : "system";
}

/**
 * Store the choice in a cookie, so that the server renders the page with it and nothing flashes.
 */
function choose(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  for (const { media, color } of barColors(theme)) {
    document
      .querySelector(`meta[name=theme-color][media="${media}"]`)
      ?.setAttribute("content", color);
  }
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is for https alone
  document.cookie = `${THEME_COOKIE}=${theme}; path=/; max-age=31536000; samesite=lax`;
  for (const listener of listeners) listener();
}

export function nextTheme(theme: Theme): Theme {
  if (theme === "system") return "light";
  return theme === "light" ? "dark" : "system";
}

export function useTheme() {
  const theme = useSyncExternalStore(subscribe, themeHere, (): Theme => "system");
  return { theme, choose };
}

/** Cycles through the system's theme, light and dark. */
export function ThemeButton() {
  const { theme } = useTheme();
  const isHydrated = useHydrated();
  const Icon = ICONS[theme];
  return (
    <button
      aria-label={`Appearance: ${theme}`}
      className="button-quiet"
      disabled={!isHydrated}
      onClick={() => choose(nextTheme(theme))}
      title={`Appearance: ${theme}`}
      type="button"
    >
      <Icon aria-hidden="true" className="size-4.5" />
    </button>
  );
}
