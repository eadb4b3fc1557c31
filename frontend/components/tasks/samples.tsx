"use client";

import type { Priority } from "@/gql/graphql";
import type { Task } from "./task";
import { useTasks } from "./tasks-context";
import type { Actions } from "./use-actions";

/** Tasks that show what the app can do. A sample that is renamed becomes an ordinary task. */
export const SAMPLES = [
  {
    title: "Open this task to see what it can contain",
    description: "Notes in **Markdown**, a due date, a priority and labels.\n\n- one\n- two",
    labels: ["reading"],
  },
  { title: "Drag this task, or move it with Alt and an arrow key", priority: "HIGH" as Priority },
  { title: "Add a task like “Call Ada friday !high #friends”", labels: ["friends"] },
  { title: "Complete this task, then choose Undo to reopen it", priority: "MEDIUM" as Priority },
];

const TITLES: ReadonlySet<string> = new Set(SAMPLES.map(({ title }) => title));

const isSample = ({ title, trashedAt }: Task) => trashedAt === null && TITLES.has(title);

/** Offers to move the samples to the trash, while the list contains some. */
export function TrashSamples({ actions }: { actions: Actions }) {
  const { tasks } = useTasks();
  if (!tasks.some(isSample)) return null;
  return (
    <p className="notice">
      Some of these tasks are samples.
      <button className="link" onClick={() => actions.trashAll(isSample)} type="button">
        Move the samples to the trash
      </button>
    </p>
  );
}
