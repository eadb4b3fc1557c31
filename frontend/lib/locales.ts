/**
 * Return the person's languages as the browser says them, the preferred one first, without those that
 * `Intl` would throw on: Chromium may say `en-US@posix`.
 */
export function locales(): string[] {
  return navigator.languages.filter((tag) => {
    try {
      return Intl.getCanonicalLocales(tag).length > 0;
    } catch {
      return false;
    }
  });
}
