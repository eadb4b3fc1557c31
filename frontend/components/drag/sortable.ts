import { combine } from "@atlaskit/pragmatic-drag-and-drop/combine";
import {
  draggable,
  dropTargetForElements,
} from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { setCustomNativeDragPreview } from "@atlaskit/pragmatic-drag-and-drop/element/set-custom-native-drag-preview";
import {
  createPreview,
  type Dragged,
  type DropTarget,
  type Edge,
  type Kind,
  registerTarget,
} from "./drop-target";
import { announceDrag } from "./monitor";
import { draggableByTouch } from "./touch-drag";

export type Sortable = {
  kind: Kind;
  id: string;
  /** Whether elements of the same kind can be dropped next to this one. */
  canSort: boolean;
  /** The other kind whose elements can be dropped into this one. */
  accepts: Kind | undefined;
  /** Return the ids of all elements that are dragged together with this one, and its own. */
  draggedIds: () => readonly string[];
  /** Called while something is dragged over the element, with null when it leaves. */
  onOver: (edge: Edge | null) => void;
  onDrop: (dragged: readonly string[], edge: Edge) => void;
};

/** Make an element draggable, and a drop target, until the returned function is called. */
export function makeSortable(element: HTMLElement, sortable: Sortable): () => void {
  const { kind, id, canSort, accepts, draggedIds, onOver, onDrop } = sortable;
  const dragged = (): Dragged => ({ kind, ids: draggedIds() });
  const labelOf = ({ ids }: Dragged) =>
    ids.length === 1 ? (element.ariaLabel ?? "") : `${ids.length} ${kind}s`;
  const target: DropTarget = {
    accepts: (moved) =>
      moved.kind === kind ? canSort && !moved.ids.includes(id) : moved.kind === accepts,
    edgeAt(moved, y) {
      if (moved.kind !== kind) return "into";
      const { top, height } = element.getBoundingClientRect();
      return y < top + height / 2 ? "before" : "after";
    },
    show: onOver,
    drop: ({ ids }, edge) => onDrop(ids, edge),
  };
  return combine(
    registerTarget(element, target),
    draggableByTouch(element, { dragged, label: labelOf }),
    draggable({
      element,
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
      onDragStart() {
        element.setAttribute("data-dragged", "");
        announceDrag("onDragStart");
      },
      onDrop() {
        element.removeAttribute("data-dragged");
        announceDrag("onDrop");
      },
    }),
    dropTargetForElements({
      element,
      canDrop: ({ source }) => target.accepts(source.data as Dragged),
      onDrag: ({ source, location }) =>
        onOver(target.edgeAt(source.data as Dragged, location.current.input.clientY)),
      onDragLeave: () => onOver(null),
      onDrop({ source, location }) {
        onOver(null);
        const moved = source.data as Dragged;
        target.drop(moved, target.edgeAt(moved, location.current.input.clientY));
      },
    }),
  );
}
