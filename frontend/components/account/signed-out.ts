const CHANNEL = "signed-out";

/** Tells every other tab that the person of this browser signed out, or is no more. */
export function announceSignOut(): void {
  if (typeof BroadcastChannel !== "function") return;
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(null);
  channel.close();
}

/** Leaves for `path` as a new document: nothing of this person's stays in memory, or in this tab. */
export function leave(path: string): void {
  sessionStorage.clear();
  window.location.assign(path);
}

/**
 * Leaves this tab too when the person signs out in another. Returns what ends the listening.
 *
 * @param before drops what must be gone even before the page is.
 */
export function leaveOnSignOut(before?: () => void): () => void {
  if (typeof BroadcastChannel !== "function") return () => {};
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = () => {
    before?.();
    leave("/sign-in");
  };
  return () => channel.close();
}
