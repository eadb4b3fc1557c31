import { useCallback } from "react";
import type { CreateTaskInput } from "@/gql/graphql";
import { uuidv7 } from "@/lib/uuid";
import { toBatches } from "./batches";
import type { Edit } from "./edit";
import { positionsAtTop } from "./order";
import { useTasks } from "./tasks-context";

/** Return a function that creates tasks above all others, in their order. */
export function useCreate() {
  const { store, act } = useTasks();
  return useCallback(
    (tasks: readonly Omit<CreateTaskInput, "id" | "position">[], message: string) => {
      const at = new Date().toISOString();
      const keys = positionsAtTop(store.ordered("manual"), tasks.length);
      const inputs = tasks.map((task, index) => ({
        id: uuidv7(),
        ...task,
        position: keys[index] ?? "a0",
      }));
      const edits = toBatches(inputs).map((batch): Edit => ({ kind: "create", inputs: batch, at }));
      act(edits, message, tasks.length === 1);
    },
    [store, act],
  );
}
