/*
 * The limits of texts, counted in Unicode code points as in the API: an emoji is one character, not
 * two.
 */

/** In code points. */
export const MAX_TITLE = 200;
/** In code points. */
export const MAX_DESCRIPTION = 10_000;
/** In code points. */
export const MAX_LABEL = 50;
export const MAX_LABELS = 20;
/** In code points. */
export const MAX_PROJECT_NAME = 100;

const MAX_LENGTHS = {
  title: MAX_TITLE,
  description: MAX_DESCRIPTION,
  label: MAX_LABEL,
  "project name": MAX_PROJECT_NAME,
} as const;

/** Return the number of code points. */
export function codePointCount(text: string): number {
  return [...text].length;
}

/** Return a sentence that says that the text is too long, or null if it is not. */
export function lengthProblem(what: keyof typeof MAX_LENGTHS, text: string): string | null {
  const max = MAX_LENGTHS[what];
  // A text never has more code points than UTF-16 units.
  if (text.length <= max) return null;
  const length = codePointCount(text);
  if (length <= max) return null;
  const [most, has] = [max, length].map((count) => count.toLocaleString("en"));
  return `A ${what} can have ${most} characters. This one has ${has}.`;
}

/**
 * Return the text in one line, without surrounding whitespace, and with a space for each control
 * character and lone surrogate, which the API rejects.
 */
export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Cs}]+/gu, " ").trim();
}

/** Return a description without the control characters that the API rejects. */
export function cleanDescription(text: string): string {
  // Word processors write a line break within a paragraph as a vertical tab.
  return text.replace(/\r\n?|\v/g, "\n").replace(/[^\P{Cc}\n\t]|\p{Cs}/gu, "");
}

/** Return a label as it was typed, without a leading "#". */
export function normalizeLabel(text: string): string {
  return oneLine(text).replace(/^#\s*/, "").normalize("NFC");
}

/**
 * Return a sentence that says why a task with these labels cannot get the label, or null if it can.
 */
export function labelProblem(label: string, labels: readonly string[]): string | null {
  // The API counts the label in lower case, which can be longer ("İ").
  const lowercase = label.toLowerCase();
  const problem = lengthProblem("label", lowercase);
  if (problem) return problem;
  const isNew = label !== "" && !labels.some((other) => other.toLowerCase() === lowercase);
  return isNew && labels.length >= MAX_LABELS ? `A task can have ${MAX_LABELS} labels.` : null;
}

/** Return a person's text isolated from the direction of the surrounding sentence (UAX 9). */
export function isolateText(text: string): string {
  return `\u2068${text}\u2069`;
}
