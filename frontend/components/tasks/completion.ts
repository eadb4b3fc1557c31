import type { ProjectColor } from "@/gql/graphql";
import { isTagWord } from "./quick-add";

/** A project or a label that can complete the word that is being typed. */
export type Option =
  | { kind: "project"; id: string; name: string; color: ProjectColor }
  | { kind: "label"; id: string; name: string };

/** The options that can complete a line, and the part of the line that an option replaces. */
export type Completion = {
  start: number;
  end: number;
  options: readonly Option[];
  /**
   * Whether Enter takes the first option. For labels it does not, because an unknown label is new.
   * A line never creates a project.
   */
  takesFirst: boolean;
};

const MAX_OPTIONS = 6;

/**
 * A "#" or "+" and the text after it, up to the caret. The name of a project may contain spaces.
 */
const TYPED = /(?<=^|\s)(?:#([^\s#]*)|\+([^\s+][^+]*)?)$/u;

type Known = {
  projects: readonly { id: string; name: string; color: ProjectColor }[];
  labels: readonly string[];
};

/**
 * Return the options for the word before the caret; null if there are none, or if it is complete.
 */
export function completionAt(line: string, caret: number, known: Known): Completion | null {
  const match = TYPED.exec(line.slice(0, caret));
  if (!match) return null;
  const [whole, label, project = ""] = match;
  const typed = (label ?? project).toLowerCase();
  const kind = label === undefined ? "project" : "label";
  const all: Option[] =
    kind === "project"
      ? known.projects.map(({ id, name, color }) => ({ kind, id, name, color }))
      : known.labels.filter(isTagWord).map((name) => ({ kind, id: name, name }));
  const names = all.map((option) => ({ option, name: option.name.toLowerCase() }));
  const isComplete = names.some(({ name }) => name === typed.trimEnd());
  const starting = names.filter(({ name }) => name.startsWith(typed));
  const containing = names.filter(({ name }) => name.includes(` ${typed}`));
  const options = [...new Set([...starting, ...containing])].map(({ option }) => option);
  if (isComplete || options.length === 0) return null;
  return {
    start: match.index,
    end: match.index + whole.length,
    options: options.slice(0, MAX_OPTIONS),
    takesFirst: kind === "project" && typed !== "",
  };
}

/** Return the line in which an option replaces the word, and the new position of the caret. */
export function complete(
  line: string,
  { start, end }: Completion,
  { kind, name }: Option,
): { line: string; caret: number } {
  const before = `${line.slice(0, start)}${kind === "project" ? "+" : "#"}${name} `;
  return { line: before + line.slice(end).trimStart(), caret: before.length };
}
