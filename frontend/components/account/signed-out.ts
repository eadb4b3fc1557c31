import { erasePendingEdits } from "@/components/tasks/pending-edits";
import { type SignedOutReason, signInPath } from "@/lib/next-path";

let channel: BroadcastChannel | undefined;

/** One for the page: what it says itself it does not hear. */
function otherTabs(): BroadcastChannel | undefined {
  if (typeof BroadcastChannel === "function") channel ??= new BroadcastChannel("signed-out");
  return channel;
}

let leaving = false;

/** From here on the page is on its way out, or stays after all: what ends meanwhile is no surprise. */
export function setLeaving(is: boolean): void {
  leaving = is;
}

/** Whether the page asks for nothing more, and goes nowhere else. */
export const isLeaving = () => leaving;

/** Tells every other tab that the person of this browser signed out, or is no more. */
export function announceSignOut(): void {
  otherTabs()?.postMessage(null);
}

/** Leaves for `path` as a new document: nothing of this person's stays in memory, or in this tab. */
export function leave(path: string): void {
  setLeaving(true);
  sessionStorage.clear();
  // Not for ever: a tab that does not let go must not keep anybody here.
  const soon = new Promise((resolve) => setTimeout(resolve, 500));
  void Promise.race([erasePendingEdits(), soon]).then(() => window.location.assign(path));
}

/**
 * Leaves this tab too when the person signs out in another. Returns what ends the listening.
 *
 * @param before drops what must be gone even before the page is.
 */
export function leaveOnSignOut(before?: () => void): () => void {
  function onMessage() {
    before?.();
    leave("/sign-in");
  }
  const tabs = otherTabs();
  tabs?.addEventListener("message", onMessage);
  return () => tabs?.removeEventListener("message", onMessage);
}

/** To sign-in and back here, as a new document: nothing of this session stays in memory. */
export function goToSignIn(reason: SignedOutReason): void {
  if (leaving) return;
  const { pathname, search } = window.location;
  window.location.assign(signInPath(pathname + search, reason));
}
