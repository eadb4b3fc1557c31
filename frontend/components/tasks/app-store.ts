import type { Client } from "urql";
import { OfflineCopy, type Person } from "@/components/offline/offline-copy";
import { PROJECTS, type ProjectTypes } from "@/components/projects/noun";
import type { Project } from "@/components/projects/project";
import type { Connection } from "@/components/store/live";
import { Store } from "@/components/store/store";
import { Table } from "@/components/store/table";
import { TASKS, type TaskTypes } from "./noun";
import type { Task } from "./task";

/** The tasks and projects of one person. */
export type AppStore = Store<{ tasks: Table<TaskTypes>; projects: Table<ProjectTypes> }>;

/** The rows that the server rendered. */
export type Seed = { tasks: readonly Task[]; projects: readonly Project[] };

/** @param connection the connection for live changes; null if changes are only polled. */
export function openStore(
  client: Client,
  person: Person,
  seed: Seed | null,
  connection: Connection | null,
): AppStore {
  const { tasks = [], projects = [] } = seed ?? {};
  const tables = {
    tasks: new Table(TASKS, client, tasks),
    projects: new Table(PROJECTS, client, projects),
  };
  return new Store(client, person.id, tables, { copy: new OfflineCopy(person), connection });
}
