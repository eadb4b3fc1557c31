import { type RefObject, useLayoutEffect, useRef } from "react";
import { useTasks } from "./tasks-context";

const DURATION_MS = 180;

const isStill = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Let the rows of a list glide to their new places when its tasks change. */
export function useGlide(list: RefObject<HTMLElement | null>): void {
  const { groups, view } = useTasks();
  const last = useRef<{ view: unknown; places: Map<string, number> }>({
    view: null,
    places: new Map(),
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: rows move with the groups
  useLayoutEffect(() => {
    const places = new Map<string, number>();
    const isSameView = last.current.view === view && !isStill();
    for (const row of list.current?.querySelectorAll<HTMLElement>("li[data-id]") ?? []) {
      const id = row.dataset.id ?? "";
      const place = row.offsetTop - (list.current?.offsetTop ?? 0);
      const before = last.current.places.get(id);
      places.set(id, place);
      if (isSameView && before !== undefined && before !== place) {
        const start = { transform: `translateY(${before - place}px)` };
        row.animate([start, { transform: "none" }], { duration: DURATION_MS, easing: "ease-out" });
      }
    }
    last.current = { view, places };
  }, [list, groups, view]);
}
