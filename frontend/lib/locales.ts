/**
 * Return the person's languages in order of preference, without tags that `Intl` rejects: Chromium
 * may report `en-US@posix`.
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
