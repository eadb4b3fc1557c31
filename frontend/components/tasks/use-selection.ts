import { useCallback, useMemo, useState } from "react";
import type { Task } from "./task";

const NONE: ReadonlySet<string> = new Set();

/** Track which tasks of a list are selected. */
export function useSelection(tasks: readonly Task[]) {
  const [selected, setSelected] = useState(NONE);
  const [hasStarted, setStarted] = useState(false);
  const selectedTasks = useMemo(
    () => tasks.filter(({ id }) => selected.has(id)),
    [tasks, selected],
  );

  const toggle = useCallback((id: string) => {
    setSelected((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);

  /** Select all tasks between two. If one of them is not listed, select only the other. */
  const addRange = useCallback(
    (from: string, to: string) => {
      const ends = [from, to]
        .map((id) => tasks.findIndex((task) => task.id === id))
        .filter((index) => index >= 0);
      const range = tasks.slice(Math.min(...ends), Math.max(...ends) + 1);
      setSelected((before) => new Set([...before, ...range.map(({ id }) => id)]));
    },
    [tasks],
  );

  const clear = useCallback(() => {
    setSelected(NONE);
    setStarted(false);
  }, []);

  return {
    selected,
    selectedTasks,
    /** Whether rows show a checkbox to select them. */
    isSelecting: hasStarted || selectedTasks.length > 0,
    startSelecting: () => setStarted(true),
    toggle,
    addRange,
    addAll: () => setSelected(new Set(tasks.map(({ id }) => id))),
    clear,
  };
}

export type Selection = ReturnType<typeof useSelection>;
