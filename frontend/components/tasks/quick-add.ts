import type { Priority } from "@/gql/graphql";
import { dayOf, PRIORITIES } from "./task";

/** What was understood of a line, and the words that said it. */
export type Chip = { kind: "due" | "priority" | "label"; words: string; value: string };

export type Draft = {
  title: string;
  dueOn: string | null;
  priority: Priority;
  labels: string[];
  chips: Chip[];
};

type FoundDate = { words: string; index: number; day: string };
type ReadDate = (line: string, now: Date) => FoundDate | null;

const BY_NUMBER: Readonly<Record<string, Priority>> = { "1": "URGENT", "2": "HIGH", "3": "MEDIUM" };

function priorityOf(word: string): Priority | undefined {
  return BY_NUMBER[word] ?? PRIORITIES.find((one) => one === word.toUpperCase());
}

/**
 * Reads a line as people write one: "call the bank tomorrow !high #home".
 *
 * @param plain words that the person said are meant as they stand.
 * @param readDate finds a date among the rest; there is none until it is loaded.
 */
export function readLine(
  line: string,
  now: Date,
  plain: readonly string[],
  readDate: ReadDate | null,
): Draft {
  const chips: Chip[] = [];
  const labels: string[] = [];
  const priorities: Priority[] = [];
  let rest = line.replace(
    /(^|\s)([#!])([\p{L}\p{N}_-]{1,50})(?=\s|$)/gu,
    (all, space, sign, word) => {
      const words = `${sign}${word}`;
      if (plain.includes(words)) return all;
      if (sign === "#") {
        if (!labels.some((label) => label.toLowerCase() === word.toLowerCase())) {
          labels.push(word);
          chips.push({ kind: "label", words, value: word });
        }
        return space;
      }
      const named = priorityOf(word);
      if (!named) return all;
      priorities.push(named);
      if (!chips.some((chip) => chip.words === words)) {
        chips.push({ kind: "priority", words, value: named });
      }
      return space;
    },
  );
  const date: FoundDate | null = readDate === null ? null : readDate(rest, now);
  let dueOn: string | null = null;
  if (date && !plain.includes(date.words)) {
    dueOn = date.day;
    chips.unshift({ kind: "due", words: date.words, value: date.day });
    const before = rest.slice(0, date.index).replace(/\s+(on|by|due|at)\s*$/i, " ");
    rest = `${before} ${rest.slice(date.index + date.words.length)}`;
  }
  const title = rest.replace(/\s+/g, " ").trim();
  // Nothing but a date is a title that looks like one.
  if (!title) return { title: line.trim(), dueOn: null, priority: "NONE", labels: [], chips: [] };
  return { title, dueOn, priority: priorities.at(-1) ?? "NONE", labels, chips };
}

/** Loads what reads dates, in English. */
export async function loadDates(): Promise<ReadDate> {
  const { casual } = await import("chrono-node/en");
  return (line, now) => {
    const [found] = casual.parse(line, now, { forwardDate: true });
    // A time alone ("at 5", "now") is no day.
    const isDay =
      found &&
      found.text !== "now" &&
      (found.start.isCertain("day") || found.start.isCertain("weekday"));
    return isDay ? { words: found.text, index: found.index, day: dayOf(found.start.date()) } : null;
  };
}

/** The lines of a pasted text, without what marks a list. */
export function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/^\s*(?:[-*•]|\d+[.)])?\s*(?:\[[ xX]?\]\s*)?/, "").trim())
    .filter(Boolean);
}
