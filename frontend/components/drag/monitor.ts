type Listener = { onDragStart: () => void; onDrop: () => void };

const listeners = new Set<Listener>();

/** Tell the monitors that a drag starts or ends. */
export function announceDrag(event: keyof Listener): void {
  for (const listener of listeners) listener[event]();
}

/** Call a listener when a drag starts and when it ends, until the returned function is called. */
export function monitorDrags(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
