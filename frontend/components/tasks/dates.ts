import { casual, GB } from "chrono-node/en";
import { toIsoDay } from "./task";

/*
 * Which words of a line are a due date. A phrase is used as a whole or not at all. These stay in
 * the title: phrases that may mean something else ("1/2 cup", "sun cream", "1.5 kg"), several days
 * ("every monday"), past days ("last monday") and parts of a day ("friday night"). A time next to a
 * day ("tomorrow at 5pm") stays in the title, too, because tasks have no time.
 *
 * The grammar below finds the phrases, and chrono computes their dates. chrono would guess if it
 * searched the line itself.
 */

type FoundDay = { start: number; end: number; day: string };

const WEEKDAY = "(?:mon|tues|wednes|thurs|fri|satur|sun)day";
const SHORT_WEEKDAY = "(?:mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)";
const MONTH =
  "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)";
const COUNT = "(?:\\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten)";
const DAY_OF_MONTH = "\\d{1,2}(?:st|nd|rd|th)?";

/** Phrases without leading words. A phrase comes before one that it starts with. */
const IN_WORDS = [
  `in ${COUNT} (?:day|week|month|year)s?`,
  "next (?:week|month|year)",
  "(?:the )?end of (?:(?:the|this|next) )?month",
  `(?:the )?end of ${MONTH}(?: \\d{4})?`,
  `(?:(?:${WEEKDAY}|${SHORT_WEEKDAY}),? )?(?:the )?${DAY_OF_MONTH} (?:of )?${MONTH}(?:,? \\d{4})?`,
  `(?:(?:${WEEKDAY}|${SHORT_WEEKDAY}),? )?${MONTH} ${DAY_OF_MONTH}(?:,? \\d{4})?`,
  "today|tomorrow|tmrw?",
  "(?:the )?day after tomorrow",
  `(?:(?:this|next) )?${WEEKDAY}`,
  `(?:this|next) ${SHORT_WEEKDAY}`,
].join("|");

/**
 * Numeric dates need a year of four digits: with fewer they may be fractions, versions or ratios.
 */
const IN_NUMBERS = "\\d{4}([-./])\\d{1,2}\\2\\d{1,2}|\\d{1,2}([-./])\\d{1,2}\\3\\d{4}";

/** Leading words belong to the phrase. Numeric dates also have those of other languages. */
const LEADS = [
  `(?:due )?(?:on |by )?(?:${IN_WORDS})`,
  `(?:due )?(?:at )(?:the )?end of (?:(?:the|this|next) )?month`,
  // Short names may be other words ("sun", "sat"), unless a leading word is before them.
  `(?:due (?:on |by )?|on |by )${SHORT_WEEKDAY}`,
  `(?:due )?(?:on |by |am |bis (?:zum )?|zum |le |el |op )?(?:${IN_NUMBERS})`,
].join("|");

const PHRASE = new RegExp(
  `(^|[\\s(])(?:${LEADS})(?=$|[\\s)]|[,;:!.](?:\\s|$))`.replaceAll(" ", "\\s+"),
  "giu",
);

/** Lines with a repetition have no single due date. */
const REPEATED = new RegExp(
  `\\b(?:(?:every|each)\\s+(?:[\\p{L}\\d]+\\s+)?(?:day|week|month|year|weekday|weekend|morning|evening|night|${WEEKDAY}|${SHORT_WEEKDAY}|${MONTH})s?|daily|weekly|monthly|yearly|annually|fortnightly)\\b`,
  "iu",
);

/**
 * Words before a phrase that need it, and names that end in a weekday: the phrase stays in the
 * title.
 */
const BOUND_BEFORE =
  /(?:^|[\s(])(?:last|past|previous|since|from|until|till|before|after|between|through|over|during|within|to|than|of|for|about|around|like|vs|and|or|not|no|the|an?|this|that|these|those|next|any|all|most|another|other|my|our|your|his|her|its|their|in|into|at|with|without|is|are|was|were|be|first|second|third|\d+(?:st|nd|rd|th)|early|late|mid|black|good|ash|palm|easter|cyber|casual|holy|whit|vom|von|ab|seit|du|de|del|dal|van|от|с)\s*$|[-–—&/+]\s*$/iu;

/** Words after a phrase that make it more or less than a day. */
const BOUND_AFTER =
  /^\s+(?:(?:early|late|mid)[\s-]+)?(?:morning|afternoon|evening|night|noon|midday|midnight|end|time)s?(?![\p{L}\p{N}])|^\s+(?:and|or|to)\s+\d|^\s*[-–—&/+]/iu;

/** Words between two phrases that belong together: "monday to friday", "friday next week". */
const JOINS = /^[\s,]*(?:and|or|to|till|until|through|from|of|in|&|\+|\/|[-–—])?[\s,]*$/i;

/** Months that are also other words, without a year, "st" or "on" to decide it. */
const AMBIGUOUS = /^(?:\d{1,2}\s+(?:may|mar|march)|(?:may|mar|march)\s+\d{1,2})$/i;

function formatOf(locale: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat(locale);
  } catch {
    // Chromium reports "en-US@posix" on systems without a locale.
    return new Intl.DateTimeFormat();
  }
}

/**
 * Return whether a locale writes the day before the month. An invalid locale means the browser's
 * own.
 */
export function isDayFirst(locale: string): boolean {
  const parts = formatOf(locale).formatToParts();
  const place = (type: string) => parts.findIndex((part) => part.type === type);
  return place("day") < place("month");
}

function dayIn(year: number, month: number, day: number): string | null {
  const moment = new Date(year, month - 1, day);
  const isReal = year >= 1900 && moment.getMonth() === month - 1 && moment.getDate() === day;
  return isReal ? toIsoDay(moment) : null;
}

/** Return the day of a numeric date. If only one order is valid, that order is used. */
function readNumbers(numbers: string, dayFirst: boolean): string | null {
  const [a = 0, b = 0, c = 0] = numbers.split(/[-./]/).map(Number);
  if (/^\d{4}/.test(numbers)) return dayIn(a, b, c);
  const inOrder = dayIn(c, b, a);
  if (numbers.includes(".")) return inOrder;
  const reversed = dayIn(c, a, b);
  return dayFirst ? (inOrder ?? reversed) : (reversed ?? inOrder);
}

/** Return the day of a phrase in words, or null if chrono does not understand all of it. */
function readWords(words: string, now: Date, dayFirst: boolean): string | null {
  const chrono = dayFirst ? GB : casual;
  const [found] = chrono.parse(words, now, { forwardDate: true });
  const rest = words.replace(found?.text ?? "", "").trim();
  if (!found || (rest && !/^(?:the|at|due|on|by|\s)+$/i.test(rest))) return null;
  const moment = found.start.date();
  const isExact = found.start.isCertain("day") || found.start.isCertain("weekday");
  // Counting months or years from the 31st, chrono overflows into the month after a shorter one.
  if (!isExact && moment.getDate() !== now.getDate()) moment.setDate(0);
  return toIsoDay(moment);
}

/**
 * Return the day of a text that consists of a date, or null. More forms are accepted than for a
 * date within a line: "fri", "3/12", "1.2.".
 */
export function readDay(text: string, now: Date, dayFirst: boolean): string | null {
  const words = text.trim();
  const numbers = /^(\d+)([-./])(\d+)\2?(\d*)$/.exec(words);
  if (!numbers) return readWords(words, now, dayFirst);
  const [, first = "", sign = "", second = "", year = ""] = numbers;
  if (first.length === 4 || year.length === 4) return readNumbers(words, dayFirst);
  const full = (of: number) => readNumbers([first, second, of].join(sign), dayFirst);
  const thisYear = now.getFullYear();
  if (year) return full(Math.floor(thisYear / 100) * 100 + Number(year));
  const day = full(thisYear);
  return day !== null && day < toIsoDay(now) ? full(thisYear + 1) : day;
}

type Phrase = { start: number; end: number; words: string; numbers: string | undefined };

function phrasesIn(line: string): Phrase[] {
  return [...line.matchAll(PHRASE)].map((match) => {
    const [all, space = ""] = match;
    const start = match.index + space.length;
    const words = all.slice(space.length);
    const numbers = /\d+([-./])\d+\1\d+$/.exec(words)?.[0];
    return { start, end: start + words.length, words, numbers };
  });
}

function isBound(line: string, { start, end, words }: Phrase): boolean {
  const before = line.slice(0, start);
  const after = line.slice(end);
  if (BOUND_BEFORE.test(before) || BOUND_AFTER.test(after)) return true;
  return AMBIGUOUS.test(words) && /^\s+\p{L}/u.test(after);
}

/**
 * Return the first due date in a line.
 *
 * @param plain phrases that the person wants to keep in the title.
 * @param dayFirst whether the person writes the day before the month. With dots, everybody does.
 */
export function findDay(
  line: string,
  now: Date,
  dayFirst: boolean,
  plain: readonly string[],
): FoundDay | null {
  if (REPEATED.test(line)) return null;
  const phrases = phrasesIn(line);
  for (const [index, phrase] of phrases.entries()) {
    const { start, end, words, numbers } = phrase;
    const before = phrases[index - 1];
    const after = phrases[index + 1];
    const isJoined =
      (before && JOINS.test(line.slice(before.end, start))) ||
      (after && JOINS.test(line.slice(end, after.start)));
    if (isJoined || plain.includes(words) || isBound(line, phrase)) continue;
    const day = numbers ? readNumbers(numbers, dayFirst) : readWords(words, now, dayFirst);
    if (day) return { start, end, day };
  }
  return null;
}
