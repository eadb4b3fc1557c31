import { combine } from "@atlaskit/pragmatic-drag-and-drop/combine";
import {
  draggable,
  dropTargetForElements,
} from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { type RefObject, useEffect, useEffectEvent, useState } from "react";

type Kind = "task" | "project";

/** Where an element is dropped: next to an element of the same kind, or into one of another kind. */
export type Edge = "before" | "after" | "into";

type Options = {
  kind: Kind;
  id: string;
  /** Whether elements of the same kind can be dropped next to this one. */
  canSort: boolean;
  /** The other kind whose elements can be dropped into this one. */
  accepts?: Kind;
  onDrop: (dragged: string, edge: Edge) => void;
};

/**
 * Make an element draggable, and accept others that are dropped on it. Return where the element that
 * is being dragged over it would be dropped, or null.
 */
export function useSortable(
  element: RefObject<HTMLElement | null>,
  { kind, id, canSort, accepts, onDrop }: Options,
): Edge | null {
  const [edge, setEdge] = useState<Edge | null>(null);
  const drop = useEffectEvent(onDrop);

  useEffect(() => {
    const row = element.current;
    if (!row) return;
    function edgeAt(dragged: Kind, y: number): Edge {
      if (dragged !== kind || !row) return "into";
      const { top, height } = row.getBoundingClientRect();
      return y < top + height / 2 ? "before" : "after";
    }
    return combine(
      draggable({
        element: row,
        getInitialData: () => ({ kind, id }),
        onDragStart: () => row.setAttribute("data-dragged", ""),
        onDrop: () => row.removeAttribute("data-dragged"),
      }),
      dropTargetForElements({
        element: row,
        canDrop: ({ source: { data } }) =>
          data.kind === kind ? canSort && data.id !== id : data.kind === accepts,
        onDrag: ({ source, location }) =>
          setEdge(edgeAt(source.data.kind as Kind, location.current.input.clientY)),
        onDragLeave: () => setEdge(null),
        onDrop: ({ source, location }) => {
          setEdge(null);
          const to = edgeAt(source.data.kind as Kind, location.current.input.clientY);
          drop(String(source.data.id), to);
        },
      }),
    );
  }, [element, kind, id, canSort, accepts]);

  return edge;
}
