/** Which number of `01/02/2026` is the day. */
export type DateOrder = "day-first" | "month-first";

/** A due date in a file, as YYYY-MM-DD in each order; null if it is not a date in that order. */
export type ParsedDate = Readonly<Record<DateOrder, string | null>>;

const pad = (number: number, length: number) => String(number).padStart(length, "0");

/** Return YYYY-MM-DD if the calendar has this day, else null. */
function toIsoDay(year: number, month: number, day: number): string | null {
  const moment = new Date(Date.UTC(2000, 0, 1));
  moment.setUTCFullYear(year, month - 1, day);
  const exists = moment.getUTCMonth() === month - 1 && moment.getUTCDate() === day;
  return exists && year >= 1 ? `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}` : null;
}

/**
 * Return the year. Spreadsheets write 2000 to 2029 with two digits; the century of others is
 * unknown.
 */
function yearOf(digits: string): number {
  if (digits.length === 4) return Number(digits);
  return digits.length === 2 && Number(digits) < 30 ? 2000 + Number(digits) : 0;
}

const inBothOrders = (day: string | null): ParsedDate => ({ "day-first": day, "month-first": day });

/** Return the names of months, long and short, in these locales and in English, without dots. */
function monthNames(locales: readonly string[]): ReadonlyMap<string, number> {
  const names = new Map<string, number>();
  for (const locale of [...locales, "en"]) {
    for (const month of ["long", "short"] as const) {
      // With a day, because many languages then write the month in another form.
      const format = new Intl.DateTimeFormat(locale, { month, day: "numeric", timeZone: "UTC" });
      for (let number = 0; number < 12; number += 1) {
        const parts = format.formatToParts(Date.UTC(2026, number, 1));
        const name = parts.find(({ type }) => type === "month")?.value ?? "";
        const plain = name.toLowerCase().replaceAll(".", "");
        if (/\p{L}/u.test(plain) && !names.has(plain)) names.set(plain, number + 1);
      }
    }
  }
  return names;
}

const TIME = /[T\s]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s*[AP]M)?\s*(?:Z|[+-]\d{2}:?\d{2})?$/i;
const YEAR_FIRST = /^(\d{4})([-/.])\s?(\d{1,2})\2\s?(\d{1,2})\.?$/;
const YEAR_LAST = /^(\d{1,2})([-/.])\s?(\d{1,2})\2\s?(\d{4}|\d{2})$/;

/** Return a function that parses a date as spreadsheets and people with these locales write it. */
export function dateReader(locales: readonly string[]): (cell: string) => ParsedDate {
  const months = monthNames(locales);

  function parseNamedMonth(text: string): string | null {
    const words = text.toLowerCase().match(/\p{L}+|\d+/gu) ?? [];
    const numbers = words.filter((word) => /\d/.test(word));
    const month = words.map((word) => months.get(word)).find((number) => number !== undefined);
    const [first = "", second = ""] = numbers;
    if (month === undefined || numbers.length !== 2) return null;
    const [day, year] = first.length === 4 ? [second, first] : [first, second];
    return day.length <= 2 ? toIsoDay(yearOf(year), month, Number(day)) : null;
  }

  return (cell) => {
    const text = cell.replace(TIME, "").trim();
    const [, year = "", , month = "", day = ""] = YEAR_FIRST.exec(text) ?? [];
    if (year) return inBothOrders(toIsoDay(Number(year), Number(month), Number(day)));
    const [, first = "", separator, second = "", last = ""] = YEAR_LAST.exec(text) ?? [];
    if (!first) return inBothOrders(parseNamedMonth(text));
    const dayFirst = toIsoDay(yearOf(last), Number(second), Number(first));
    // With dots, nobody writes the month first.
    if (separator === ".") return inBothOrders(dayFirst);
    return {
      "day-first": dayFirst,
      "month-first": toIsoDay(yearOf(last), Number(first), Number(second)),
    };
  };
}

/**
 * Return the order of the dates in a file, or null if it is not certain. A date that is valid in
 * only one order proves it for the whole file.
 */
export function detectOrder(dates: readonly ParsedDate[]): DateOrder | null {
  const proves = (order: DateOrder, other: DateOrder) =>
    dates.some((date) => date[order] !== null && date[other] === null);
  const dayFirst = proves("day-first", "month-first");
  const monthFirst = proves("month-first", "day-first");
  if (dayFirst === monthFirst) return null;
  return dayFirst ? "day-first" : "month-first";
}

/** Whether a date means different days in the two orders. */
export function isAmbiguous(date: ParsedDate): boolean {
  const { "day-first": dayFirst, "month-first": monthFirst } = date;
  return dayFirst !== null && monthFirst !== null && dayFirst !== monthFirst;
}
