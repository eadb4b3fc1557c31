import { useCallback, useEffect, useRef, useState } from "react";
import type { Task } from "./task";

/**
 * Track the task that shortcuts act on. When it leaves the list, the task that takes its place is
 * next, so that the focus is never lost.
 */
export function useCursor(tasks: readonly Task[], isRenaming: boolean) {
  const [current, setCurrent] = useState<string | null>(null);
  const [hasFocus, setFocus] = useState(false);
  const lastIndex = useRef(0);
  const lastListedId = useRef<string | null>(null);
  const index = tasks.findIndex(({ id }) => id === current);

  useEffect(() => {
    if (index >= 0) {
      lastIndex.current = index;
      lastListedId.current = current;
    } else if (current !== null && current === lastListedId.current && !isRenaming) {
      // A new task may not be in the list yet.
      setCurrent(tasks[Math.min(lastIndex.current, tasks.length - 1)]?.id ?? null);
    }
  }, [index, current, tasks, isRenaming]);

  const focus = useCallback((id?: string) => {
    if (id !== undefined) setCurrent(id);
    setFocus(true);
  }, []);

  useEffect(() => {
    // Not in the row's blur event: a row that is removed while it has the focus sends none.
    const onFocus = ({ target }: FocusEvent) => {
      if (target instanceof Element && !target.closest("[data-id]")) setFocus(false);
    };
    document.addEventListener("focusin", onFocus);
    return () => document.removeEventListener("focusin", onFocus);
  }, []);

  /** Return the task at this distance in the list, or the last one in that direction. */
  function neighbour(by: number): Task | undefined {
    if (index < 0) return tasks[0];
    return tasks[Math.min(Math.max(index + by, 0), tasks.length - 1)];
  }

  /**
   * Return the task whose row has the focus. Keys act only on this one, never on a task that had
   * the focus before.
   */
  function focusedTask(): Task | undefined {
    const row = document.activeElement?.closest<HTMLElement>("[data-id]");
    return tasks.find(({ id }) => id === row?.dataset.id);
  }

  return {
    current: index < 0 ? null : current,
    hasFocus,
    focus,
    focusedTask,
    setCurrent,
    neighbour,
  };
}

export type Cursor = ReturnType<typeof useCursor>;
