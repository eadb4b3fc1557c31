import { useCallback, useEffect, useRef, useState } from "react";
import type { Task } from "./task";

/**
 * The task that keys are about. When it leaves the list the one that takes its place is next, so that
 * the focus is never lost.
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
      // A task that is not listed yet is waited for.
      setCurrent(tasks[Math.min(lastIndex.current, tasks.length - 1)]?.id ?? null);
    }
  }, [index, current, tasks, isRenaming]);

  const focus = useCallback((id?: string) => {
    if (id !== undefined) setCurrent(id);
    setFocus(true);
  }, []);

  useEffect(() => {
    // Not by the row's blur: one that was taken away never had it, and what is typed since is not ours.
    const onFocus = ({ target }: FocusEvent) => {
      if (target instanceof Element && !target.closest("[data-id]")) setFocus(false);
    };
    document.addEventListener("focusin", onFocus);
    return () => document.removeEventListener("focusin", onFocus);
  }, []);

  /** The task so many places on, or the last one that way. */
  function neighbour(by: number): Task | undefined {
    if (index < 0) return tasks[0];
    return tasks[Math.min(Math.max(index + by, 0), tasks.length - 1)];
  }

  /**
   * The task whose row has the focus: the one that the person sees marked. What a key does to a task
   * it does to this one, never to one that was used before the focus went elsewhere.
   */
  function focusedTask(): Task | undefined {
    const row = document.activeElement?.closest<HTMLElement>("[data-id]");
    return tasks.find(({ id }) => id === row?.dataset.id);
  }

  return {
    current: index < 0 ? null : current,
    hasFocus,
    focus,
    focused: focusedTask,
    setCurrent,
    neighbour,
  };
}
