"use client";

import type { Priority } from "@/gql/graphql";
import type { Task } from "./task";
import { useTasks } from "./tasks-context";
import type { Actions } from "./use-actions";

/** Tasks that show what can be done. A sample that is renamed is a task like any other. */
export const SAMPLES = [
  {
    title: "Open me to see what a task can hold",
    description: "Notes in **Markdown**, a due date, a priority and labels.\n\n- one\n- two",
    labels: ["reading"],
  },
  { title: "Drag me, or move me with Alt and an arrow key", priority: "HIGH" as Priority },
  { title: "Add a task like “Call Ada friday !high #friends”", labels: ["friends"] },
  { title: "Complete me: Undo brings me back", priority: "MEDIUM" as Priority },
];

const TITLES: ReadonlySet<string> = new Set(SAMPLES.map(({ title }) => title));

const isSample = ({ title, trashedAt }: Task) => trashedAt === null && TITLES.has(title);

/** Offers to clear the sample tasks, for as long as the list has some. */
export function ClearSamples({ actions }: { actions: Actions }) {
  const { store, tasks } = useTasks();
  if (!tasks.some(isSample)) return null;
  return (
    <p className="notice">
      Some of these tasks are samples.
      <button
        className="link"
        onClick={() => actions.trash(store.tables.tasks.ordered("manual").filter(isSample))}
        type="button"
      >
        Clear the samples
      </button>
    </p>
  );
}
