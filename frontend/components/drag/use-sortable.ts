import { type RefObject, useEffect, useEffectEvent, useState } from "react";
import type { Edge, Kind } from "./drop-target";
import type { Sortable } from "./sortable";

type Options = {
  kind: Kind;
  id: string;
  canSort: boolean;
  accepts?: Kind;
  draggedIds?: () => readonly string[];
  onDrop: Sortable["onDrop"];
};

/** The code of dragging is loaded after the page, which does not need it at first. */
export const loadSortable = () => import("./sortable");

/**
 * Make an element draggable by mouse and by touch, and accept others that are dropped on it. Return
 * where the elements that are being dragged over it would be dropped, or null.
 */
export function useSortable(
  element: RefObject<HTMLElement | null>,
  { kind, id, canSort, accepts, draggedIds, onDrop }: Options,
): Edge | null {
  const [edge, setEdge] = useState<Edge | null>(null);
  const drop = useEffectEvent(onDrop);
  const idsOf = useEffectEvent(() => draggedIds?.() ?? [id]);

  useEffect(() => {
    let stop: (() => void) | undefined;
    let isMounted = true;
    void Promise.allSettled([loadSortable()]).then(([loaded]) => {
      const row = element.current;
      // If the code cannot be loaded, nothing can be dragged. Keys and menus can move rows as well.
      if (!(isMounted && row && loaded.status === "fulfilled")) return;
      stop = loaded.value.makeSortable(row, {
        kind,
        id,
        canSort,
        accepts,
        draggedIds: () => idsOf(),
        onOver: setEdge,
        onDrop: (dragged, to) => drop(dragged, to),
      });
    });
    return () => {
      isMounted = false;
      stop?.();
    };
  }, [element, kind, id, canSort, accepts]);

  return edge;
}
