import type { Project } from "../components/projects/project";

let count = 0;

/** Return a project as the API would send it, with these values. */
export function project(values: Partial<Project> = {}): Project {
  count += 1;
  return {
    id: `00000000-0000-7000-9000-${String(count).padStart(12, "0")}`,
    name: `Project ${count}`,
    description: "",
    color: "GRAY",
    position: `a${count}`,
    archivedAt: null,
    version: 1,
    createdAt: "2026-11-25T12:00:00Z",
    updatedAt: "2026-11-25T12:00:00Z",
    trashedAt: null,
    ...values,
  };
}
