/** What can be dragged. */
export type Kind = "task" | "project";

/** Where elements are dropped: next to an element of the same kind, or into one of another kind. */
export type Edge = "before" | "after" | "into";

/** The elements that are dragged together. */
export type Dragged = { kind: Kind; ids: readonly string[] };

export type DropTarget = {
  accepts: (dragged: Dragged) => boolean;
  edgeAt: (dragged: Dragged, y: number) => Edge;
  /** Called while something is dragged over the element, with null when it leaves. */
  show: (edge: Edge | null) => void;
  drop: (dragged: Dragged, edge: Edge) => void;
};

const targets = new Map<Element, DropTarget>();

/** Make an element a drop target, until the returned function is called. */
export function registerTarget(element: Element, target: DropTarget): () => void {
  targets.set(element, target);
  return () => void targets.delete(element);
}

/** Return the drop target at a point of the window, or null. */
export function targetAt(x: number, y: number): DropTarget | null {
  let element = document.elementFromPoint(x, y);
  while (element && !targets.has(element)) element = element.parentElement;
  return (element && targets.get(element)) ?? null;
}

/** Return the element that follows the pointer during a drag. */
export function createPreview(label: string): HTMLElement {
  const preview = document.createElement("div");
  preview.className = "drag-preview";
  preview.textContent = label;
  return preview;
}
