import { type Edit, pick } from "@/components/store/edit";
import type { Noun } from "@/components/store/noun";
import { byPosition } from "@/components/store/order";
import {
  type CreateProjectInput,
  CreateProjectsDocument,
  DeleteProjectsDocument,
  ProjectChangesDocument,
  ProjectDocument,
  ProjectEventsDocument,
  type ProjectPatch,
  RestoreProjectsDocument,
  TrashProjectsDocument,
  UpdateProjectDocument,
} from "@/gql/graphql";
import type { Project } from "./project";

/** The texts of a project that a person types. */
export type ProjectText = { name?: string; description?: string };

export type ProjectTypes = {
  name: "projects";
  row: Project;
  input: CreateProjectInput;
  patch: Omit<ProjectPatch, keyof ProjectText>;
  manyPatch: never;
  text: ProjectText;
  sort: "manual";
};

export type ProjectEdit = Edit<ProjectTypes>;

/** The declaration of projects for the store. */
export const PROJECTS: Noun<ProjectTypes> = {
  name: "projects",
  singular: "project",
  documents: {
    changes: ProjectChangesDocument,
    events: ProjectEventsDocument,
    one: ProjectDocument,
    create: CreateProjectsDocument,
    update: UpdateProjectDocument,
    updateMany: null,
    trash: TrashProjectsDocument,
    restore: RestoreProjectsDocument,
    delete: DeleteProjectsDocument,
  },
  nameOf: ({ name }) => name,
  compare: (_, a, b) => byPosition(a, b),
  keysOf: () => [],

  created: (input, at) => ({
    id: input.id,
    name: input.name,
    description: input.description ?? "",
    color: input.color ?? "GRAY",
    position: input.position,
    archivedAt: input.archived ? at : null,
    version: 0,
    createdAt: at,
    updatedAt: at,
    trashedAt: null,
  }),

  patched: (project, { archived = project.archivedAt !== null, color, position }, at) => ({
    ...project,
    archivedAt: archived ? (project.archivedAt ?? at) : null,
    color: color === undefined ? project.color : (color ?? "GRAY"),
    position: position ?? project.position,
  }),

  patchOf: (project, patch) => pick({ ...project, archived: project.archivedAt !== null }, patch),
  inverseOfMany: () => [],
  withoutMissing: () => null,
};
