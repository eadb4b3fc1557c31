import type { CreateTaskInput, Priority } from "@/gql/graphql";
import { findDay } from "./dates";
import { PRIORITIES } from "./task";
import {
  codePointCount,
  labelProblem,
  lengthProblem,
  MAX_TITLE,
  normalizeLabel,
  oneLine,
} from "./text";
import type { View } from "./view";

/** A recognized value, and the words that it came from. */
export type Chip = {
  kind: "due" | "priority" | "label" | "project";
  words: string;
  /** A day, a priority, a label, or the id of a project. */
  value: string;
};

type ParsedLine = {
  title: string;
  dueOn: string | null;
  priority: Priority;
  labels: string[];
  projectId: string | null;
  chips: Chip[];
};

/** How to read a line. */
type ParseOptions = {
  now: Date;
  /** Whether the person writes the day of a date before the month. */
  dayFirst: boolean;
  /** The projects that a line can name. */
  projects: readonly NamedProject[];
};

type NamedProject = { id: string; name: string };

/** A part of the line that is removed from the title. A repeated label has no chip. */
type Span = { start: number; end: number; chip: Chip | null };

const BY_NUMBER: Readonly<Record<string, Priority>> = { "1": "URGENT", "2": "HIGH", "3": "MEDIUM" };

/**
 * A "#" or "!" with letters, digits or emoji. Hindi and Persian words contain marks and joiners.
 */
const TAG =
  /(?<=^|\s)([#!])((?:[\p{L}\p{M}\p{N}\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Join_Control}_-])+)(?=\s|$)/gu;

/** Whether a label can be written as one word after a "#". */
export const isTagWord = (label: string) => `#${label}`.replace(TAG, "") === "" && !isNumber(label);

function priorityOf(word: string): Priority | undefined {
  return BY_NUMBER[word] ?? PRIORITIES.find((one) => one === word.toUpperCase());
}

/** Whether a word is a number ("#42" is an issue) or a color ("#1a2b3c"), and not a label. */
const isNumber = (word: string) =>
  !/[\p{L}\p{Extended_Pictographic}]/u.test(word) || /^(?=.*\d)[\da-f]{6}$/i.test(word);

function labelSpans(line: string, plain: readonly string[]): Span[] {
  const labels: string[] = [];
  const spans: Span[] = [];
  for (const { 0: words, 1: sign, 2: word = "", index } of line.matchAll(TAG)) {
    if (sign !== "#" || plain.includes(words) || isNumber(word)) continue;
    const value = normalizeLabel(word);
    if (labelProblem(value, labels)) continue;
    const isRepeated = labels.some((label) => label.toLowerCase() === value.toLowerCase());
    if (!isRepeated) labels.push(value);
    const chip: Chip | null = isRepeated ? null : { kind: "label", words, value };
    spans.push({ start: index, end: index + words.length, chip });
  }
  return spans;
}

/** Return the spans with the last value. Words for a different value stay in the title. */
function lastValue(spans: readonly (Span & { chip: Chip })[]): Span[] {
  const last = spans.at(-1);
  return spans
    .filter(({ chip }) => chip.value === last?.chip.value)
    .map((span) => (span === last ? span : { ...span, chip: null }));
}

/** Return the project whose name starts at this index of the line; of several, the longest name. */
function projectAt(
  line: string,
  start: number,
  projects: readonly NamedProject[],
): NamedProject | undefined {
  const found = projects.filter(({ name }) => {
    const end = start + name.length;
    const isName = line.slice(start, end).toLowerCase() === name.toLowerCase();
    return isName && /^(?:\s|$)/.test(line.slice(end));
  });
  return found.sort((a, b) => b.name.length - a.name.length)[0];
}

/**
 * Return each "+" before the name of a project, which may contain spaces. Any other "+" is text.
 */
function projectSpans(
  line: string,
  { projects }: ParseOptions,
  plain: readonly string[],
): (Span & { chip: Chip })[] {
  return [...line.matchAll(/(?<=^|\s)\+/g)].flatMap(({ index }) => {
    const project = projectAt(line, index + 1, projects);
    if (!project) return [];
    const end = index + 1 + project.name.length;
    const words = line.slice(index, end);
    const chip = { kind: "project", words, value: project.id } as const;
    return plain.includes(words) ? [] : [{ start: index, end, chip }];
  });
}

/**
 * Return the line with each character of the spans replaced by U+FFFC, which no pattern matches.
 */
function masked(line: string, spans: readonly Span[]): string {
  return spans.reduce(
    (text, { start, end }) => text.slice(0, start) + "\uFFFC".repeat(end - start) + text.slice(end),
    line,
  );
}

function prioritySpans(line: string, plain: readonly string[]): Span[] {
  const spans = [...line.matchAll(TAG)].flatMap(({ 0: words, 1: sign, 2: word = "", index }) => {
    const value = sign === "!" && !plain.includes(words) ? priorityOf(word) : undefined;
    const end = index + words.length;
    return value ? [{ start: index, end, chip: { kind: "priority", words, value } as const }] : [];
  });
  return lastValue(spans);
}

function daySpan(line: string, { now, dayFirst }: ParseOptions, plain: readonly string[]): Span[] {
  const found = findDay(line, now, dayFirst, plain);
  if (!found) return [];
  const { start, end, day } = found;
  return [{ start, end, chip: { kind: "due", words: line.slice(start, end), value: day } }];
}

/** Remove a phrase, with surrounding parentheses and left-over punctuation. */
function cutOut(line: string, { start, end }: Span): string {
  let before = line.slice(0, start);
  let after = line.slice(end);
  if (before.endsWith("(") && after.startsWith(")")) {
    before = before.slice(0, -1);
    after = after.slice(1);
  }
  before = before.trimEnd();
  if (!before) return after.replace(/^[\s,;:.–—-]+(?=\s|$)/, "");
  if (!after.trim()) return before.replace(/(?:\s+[–—-]|[,;:])+$/, "");
  return before + after;
}

/**
 * Parse a line: "call the bank tomorrow !high #home +Taxes".
 *
 * @param plain words that the person wants to keep in the title.
 */
export function parseLine(
  line: string,
  reader: ParseOptions,
  plain: readonly string[],
): ParsedLine {
  const named = projectSpans(line, reader, plain);
  // A day or a label in the name of a project is not a value of the task.
  const text = masked(line, named);
  const marks = [...labelSpans(text, plain), ...prioritySpans(text, plain), ...lastValue(named)];
  const spans = [...daySpan(text, reader, plain), ...marks.sort((a, b) => a.start - b.start)];
  let rest = line;
  for (const span of [...spans].sort((a, b) => b.start - a.start)) rest = cutOut(rest, span);
  const title = oneLine(rest);
  const chips = spans.map(({ chip }) => chip).filter((chip) => chip !== null);
  const valuesOf = (kind: Chip["kind"]) =>
    chips.filter((chip) => chip.kind === kind).map(({ value }) => value);
  // A line with nothing but a date is a title.
  if (!title) {
    const nothing = { dueOn: null, priority: "NONE", projectId: null } as const;
    return { title: oneLine(line), ...nothing, labels: [], chips: [] };
  }
  return {
    title,
    dueOn: valuesOf("due")[0] ?? null,
    priority: (valuesOf("priority")[0] as Priority | undefined) ?? "NONE",
    labels: valuesOf("label"),
    projectId: valuesOf("project")[0] ?? null,
    chips,
  };
}

/** The task that a line becomes, with the values that the view adds. */
export type PlannedTask = ParsedLine & {
  description: string;
  completed: boolean;
  /** Why the task cannot be created, as a sentence. */
  problem: string | null;
};

/** Add the values that a new task needs to be listed in the view. */
export function planTask(
  parsed: ParsedLine,
  view: View,
  today: string,
  completed = false,
): PlannedTask {
  const { labels, priority } = parsed;
  const { label } = view;
  const lacksLabel =
    label !== null && !labels.some((other) => other.toLowerCase() === label.toLowerCase());
  return {
    ...parsed,
    description: "",
    completed,
    dueOn: view.list === "today" ? (parsed.dueOn ?? today) : parsed.dueOn,
    priority: priority === "NONE" ? (view.priority ?? "NONE") : priority,
    labels: lacksLabel ? [...labels, label] : labels,
    projectId: parsed.projectId ?? view.project,
    problem:
      lengthProblem("title", parsed.title) ?? (lacksLabel ? labelProblem(label, labels) : null),
  };
}

/**
 * Return the task with a title that is too long as its description, and the beginning as its title.
 * Pasted lines cannot be shortened in the preview.
 */
export function moveLongTitle(plan: PlannedTask): PlannedTask {
  if (plan.problem === null) return plan;
  const beginning = [...plan.title].slice(0, MAX_TITLE - 1).join("");
  const words = beginning.replace(/\s+\S*$/, "");
  const title = `${codePointCount(words) > MAX_TITLE / 2 ? words : beginning}…`;
  return {
    ...plan,
    title,
    description: plan.title,
    problem: lengthProblem("description", plan.title),
  };
}

export function toInput(plan: PlannedTask): Omit<CreateTaskInput, "id" | "position"> {
  const { title, description, completed, dueOn, priority, labels, projectId } = plan;
  return { title, description, completed, dueOn, priority, labels, projectId };
}

/** A pasted line without list markers, and whether its box is checked. */
export type PastedLine = { text: string; completed: boolean };

const BULLET = /^[-*+•–]\s+/;
const NUMBER = /^(\d{1,3})[.)]\s+/;
const BOX = /^\[([ xX]?)\](?:\s+|$)/;

/** Return the lines of a pasted text that are not empty. */
export function parsePastedLines(text: string): PastedLine[] {
  const lines: PastedLine[] = [];
  let number = 0;
  for (const line of text.split(/\r\n?|[\n\v\u2028]/)) {
    let rest = line.trim();
    if (!rest) continue;
    const counted = Number(NUMBER.exec(rest)?.[1]);
    // A number that does not continue the list belongs to the text: "24. December".
    if (counted === number + 1 || counted === lines.length + 1) {
      rest = rest.replace(NUMBER, "");
      number = counted;
    } else rest = rest.replace(BULLET, "");
    const box = BOX.exec(rest);
    const title = rest.replace(BOX, "").trim();
    if (title) lines.push({ text: title, completed: /x/i.test(box?.[1] ?? "") });
  }
  return lines;
}
