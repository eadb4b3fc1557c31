/**
 * The person's choices for the appearance of the pages. Each choice is a cookie and an attribute of
 * `<html>`, so that the server already renders the page with the choice. The first option is the
 * default.
 */
const OPTIONS = {
  theme: ["system", "light", "dark"],
  density: ["comfortable", "compact"],
  sidebar: ["shown", "hidden"],
} as const;

export type ChoiceName = keyof typeof OPTIONS;
export type Choice<Name extends ChoiceName> = (typeof OPTIONS)[Name][number];
export type Theme = Choice<"theme">;

/** Return the option that a cookie or an attribute names, or else the default. */
export function choiceOf<Name extends ChoiceName>(name: Name, value: unknown): Choice<Name> {
  const options: readonly Choice<Name>[] = OPTIONS[name];
  return options.find((option) => option === value) ?? OPTIONS[name][0];
}

/** The value of `--paper` in theme.css, for code that cannot read the style sheet. */
export const PAPER = { light: "#f8f7f3", dark: "#141412" } as const;

const SCHEMES = ["light", "dark"] as const;

/** Return the color of the browser's address bar for each color scheme of the system. */
export function barColors(theme: Theme): { media: string; color: string }[] {
  return SCHEMES.map((scheme) => ({
    media: `(prefers-color-scheme: ${scheme})`,
    color: PAPER[theme === "system" ? scheme : theme],
  }));
}

export function nextTheme(theme: Theme): Theme {
  if (theme === "system") return "light";
  return theme === "light" ? "dark" : "system";
}
