export const THEME_COOKIE = "theme";

const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** The value of `--paper` in theme.css, for what cannot read the style sheet. */
export const PAPER = { light: "#f8f7f3", dark: "#141412" } as const;

const SCHEMES = ["light", "dark"] as const;

/** Return the colours of the browser's own bar, for each colour scheme of the system. */
export function barColors(theme: Theme): { media: string; color: string }[] {
  return SCHEMES.map((scheme) => ({
    media: `(prefers-color-scheme: ${scheme})`,
    color: PAPER[theme === "system" ? scheme : theme],
  }));
}

export const isTheme = (value: unknown): value is Theme => THEMES.some((one) => one === value);
