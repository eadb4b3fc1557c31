import { useCallback } from "react";
import { toBatches } from "@/components/store/batches";
import { positionsAtTop } from "@/components/store/order";
import type { CreateTaskInput } from "@/gql/graphql";
import { uuidv7 } from "@/lib/uuid";
import type { TaskEdit } from "./noun";
import { useApp } from "./tasks-context";
import { useStore } from "./use-store";

/** Return a function that creates tasks above all others, in their order. */
export function useCreate() {
  const store = useStore();
  const { act } = useApp();
  return useCallback(
    (tasks: readonly Omit<CreateTaskInput, "id" | "position">[], message: string) => {
      const at = new Date().toISOString();
      const keys = positionsAtTop(store.tables.tasks.ordered("manual"), tasks.length);
      const inputs = tasks.map((task, index) => ({
        id: uuidv7(),
        ...task,
        position: keys[index] ?? "a0",
      }));
      const edits = toBatches(inputs).map(
        (batch): TaskEdit => ({ noun: "tasks", kind: "create", inputs: batch, at }),
      );
      act(edits, message, tasks.length === 1);
    },
    [store, act],
  );
}
