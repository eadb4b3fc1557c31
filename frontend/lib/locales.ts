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

type Weekday = 0 | 1 | 2 | 3 | 4 | 5 | 6;

/** TypeScript does not know this method yet, and Firefox does not have it. */
type WithWeekInfo = Intl.Locale & { getWeekInfo?: () => { firstDay: number } };

/** The regions whose week starts on a Saturday or Sunday, for browsers that do not know them. */
const SUNDAY_REGIONS = "BR CA CO HK ID IL IN JP KE KR MX PE PH PK PT SA SG TH TW US VE ZA".split(
  " ",
);
const SATURDAY_REGIONS = "AE AF BH DZ EG IQ IR JO KW LY OM QA SD SY".split(" ");

/** Return the first day of the week in a locale: 0 is Sunday. */
export function firstWeekday(tag: string): Weekday {
  const locale: WithWeekInfo = new Intl.Locale(tag);
  const first = locale.getWeekInfo?.().firstDay;
  if (first !== undefined) return (first % 7) as Weekday;
  const region = locale.maximize().region ?? "";
  if (SUNDAY_REGIONS.includes(region)) return 0;
  return SATURDAY_REGIONS.includes(region) ? 6 : 1;
}
