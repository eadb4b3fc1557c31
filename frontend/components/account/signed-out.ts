import { eraseOfflineCopy } from "@/components/offline/offline-copy";
import { erasePendingEdits } from "@/components/store/pending-edits";
import { type SignedOutReason, signInPath } from "@/lib/next-path";

let channel: BroadcastChannel | undefined;

/** Return this page's channel. A page does not receive its own messages. */
function otherTabs(): BroadcastChannel | undefined {
  if (typeof BroadcastChannel === "function") channel ??= new BroadcastChannel("signed-out");
  return channel;
}

let leaving = false;

/** Set whether the page is being left. Sessions that end meanwhile are expected. */
export function setLeaving(is: boolean): void {
  leaving = is;
}

/** Whether the page is being left: it sends no more requests. */
export const isLeaving = () => leaving;

/** Tell all other tabs that the person signed out or deleted the account. */
export function announceSignOut(): void {
  otherTabs()?.postMessage(null);
}

const onLeave = new Set<() => void>();

/**
 * Call `run` when the page is left, before the next one is loaded. Return a function that cancels
 * this.
 */
export function beforeLeaving(run: () => void): () => void {
  onLeave.add(run);
  return () => void onLeave.delete(run);
}

/**
 * Load `path` as a new document, so that nothing of this person stays in memory or in this tab's
 * storage.
 */
export function leave(path: string): void {
  setLeaving(true);
  sessionStorage.clear();
  loadAfter(Promise.all([erasePendingEdits(), eraseOfflineCopy()]), path);
}

/**
 * Load `path` after the stored data is erased. Do not wait for a tab that keeps a database open.
 */
function loadAfter(erasing: Promise<unknown>, path: string): void {
  for (const run of onLeave) run();
  const soon = new Promise((resolve) => setTimeout(resolve, 500));
  void Promise.race([erasing, soon]).then(() => window.location.assign(path));
}

/**
 * Leave this tab when the person signs out in another one. Return a function that stops listening.
 */
export function leaveOnSignOut(): () => void {
  const onMessage = () => leave("/sign-in");
  const tabs = otherTabs();
  tabs?.addEventListener("message", onMessage);
  return () => tabs?.removeEventListener("message", onMessage);
}

/** Go to sign-in and then back here. This loads a new document, so that nothing stays in memory. */
export function goToSignIn(reason: SignedOutReason): void {
  if (leaving) return;
  const { pathname, search } = window.location;
  loadAfter(eraseOfflineCopy(), signInPath(pathname + search, reason));
}
