import { combine } from "@atlaskit/pragmatic-drag-and-drop/combine";
import {
  draggable,
  dropTargetForElements,
} from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { setCustomNativeDragPreview } from "@atlaskit/pragmatic-drag-and-drop/element/set-custom-native-drag-preview";
import { type RefObject, useEffect, useEffectEvent, useState } from "react";
import {
  createPreview,
  type Dragged,
  type DropTarget,
  type Edge,
  type Kind,
  registerTarget,
} from "./drop-target";
import { draggableByTouch } from "./touch-drag";

type Options = {
  kind: Kind;
  id: string;
  /** Whether elements of the same kind can be dropped next to this one. */
  canSort: boolean;
  /** The other kind whose elements can be dropped into this one. */
  accepts?: Kind;
  /** Return the ids of all elements that are dragged together with this one, and its own. */
  draggedIds?: () => readonly string[];
  onDrop: (dragged: readonly string[], edge: Edge) => void;
};

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
    const row = element.current;
    if (!row) return;
    const dragged = (): Dragged => ({ kind, ids: idsOf() });
    const labelOf = ({ ids }: Dragged) =>
      ids.length === 1 ? (row.ariaLabel ?? "") : `${ids.length} ${kind}s`;
    const target: DropTarget = {
      accepts: (moved) =>
        moved.kind === kind ? canSort && !moved.ids.includes(id) : moved.kind === accepts,
      edgeAt(moved, y) {
        if (moved.kind !== kind) return "into";
        const { top, height } = row.getBoundingClientRect();
        return y < top + height / 2 ? "before" : "after";
      },
      show: setEdge,
      drop: ({ ids }, to) => drop(ids, to),
    };
    return combine(
      registerTarget(row, target),
      draggableByTouch(row, { dragged, label: labelOf }),
      draggable({
        element: row,
        getInitialData: dragged,
        onGenerateDragPreview({ source, nativeSetDragImage }) {
          const moved = source.data as Dragged;
          // The browser's own picture shows only this element.
          if (moved.ids.length === 1) return;
          setCustomNativeDragPreview({
            nativeSetDragImage,
            render: ({ container }) => container.append(createPreview(labelOf(moved))),
          });
        },
        onDragStart: () => row.setAttribute("data-dragged", ""),
        onDrop: () => row.removeAttribute("data-dragged"),
      }),
      dropTargetForElements({
        element: row,
        canDrop: ({ source }) => target.accepts(source.data as Dragged),
        onDrag: ({ source, location }) =>
          setEdge(target.edgeAt(source.data as Dragged, location.current.input.clientY)),
        onDragLeave: () => setEdge(null),
        onDrop({ source, location }) {
          setEdge(null);
          const moved = source.data as Dragged;
          target.drop(moved, target.edgeAt(moved, location.current.input.clientY));
        },
      }),
    );
  }, [element, kind, id, canSort, accepts]);

  return edge;
}
