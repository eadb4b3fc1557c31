import { combine } from "@atlaskit/pragmatic-drag-and-drop/combine";
import { monitorForElements } from "@atlaskit/pragmatic-drag-and-drop/element/adapter";

type Listener = { onDragStart: () => void; onDrop: () => void };

const touchListeners = new Set<Listener>();

/** Tell the monitors that a drag by touch starts or ends. */
export function announceTouchDrag(event: keyof Listener): void {
  for (const listener of touchListeners) listener[event]();
}

/** Call a listener when a drag starts and when it ends, until the returned function is called. */
export function monitorDrags(listener: Listener): () => void {
  touchListeners.add(listener);
  return combine(monitorForElements(listener), () => void touchListeners.delete(listener));
}
