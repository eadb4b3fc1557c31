import type { Client } from "urql";
import { PROJECTS, type ProjectTypes } from "@/components/projects/noun";
import type { Project } from "@/components/projects/project";
import { Store } from "@/components/store/store";
import { Table } from "@/components/store/table";
import { TASKS, type TaskTypes } from "./noun";
import type { Task } from "./task";

/** The tasks and projects of one person. */
export type AppStore = Store<{ tasks: Table<TaskTypes>; projects: Table<ProjectTypes> }>;

/** The rows that the server rendered. */
export type Seed = { tasks: readonly Task[]; projects: readonly Project[] };

export function openStore(client: Client, owner: string, seed: Seed | null): AppStore {
  const { tasks = [], projects = [] } = seed ?? {};
  return new Store(client, owner, {
    tasks: new Table(TASKS, client, tasks),
    projects: new Table(PROJECTS, client, projects),
  });
}
