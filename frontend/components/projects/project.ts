import type { ProjectColor, ProjectFieldsFragment } from "@/gql/graphql";

export type Project = ProjectFieldsFragment;

/** The most projects of an owner, including those in the trash. */
export const MAX_PROJECTS = 500;

export const COLORS = [
  "GRAY",
  "RED",
  "ORANGE",
  "YELLOW",
  "GREEN",
  "TEAL",
  "BLUE",
  "PURPLE",
  "PINK",
] as const satisfies readonly ProjectColor[];

export const COLOR_NAMES: Readonly<Record<ProjectColor, string>> = {
  GRAY: "Gray",
  RED: "Red",
  ORANGE: "Orange",
  YELLOW: "Yellow",
  GREEN: "Green",
  TEAL: "Teal",
  BLUE: "Blue",
  PURPLE: "Purple",
  PINK: "Pink",
};

/** Return "1 project", or "12 projects". */
export const projectCount = (count: number) =>
  count === 1 ? "1 project" : `${count.toLocaleString("en")} projects`;

/** Whether a project is offered for tasks: neither archived nor in the trash. */
export const isActive = ({ archivedAt, trashedAt }: Project) =>
  archivedAt === null && trashedAt === null;
