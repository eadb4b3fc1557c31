import type { Text } from "./edit";

/*
 * What the server does not have yet, kept for this tab and this person, so that a sign-in or a reload
 * in between loses nothing.
 */

/** The new task that is being typed. */
const draftKey = (owner: string) => `draft:${owner}`;

export function readDraft(owner: string): string {
  return sessionStorage.getItem(draftKey(owner)) ?? "";
}

export function writeDraft(owner: string, title: string): void {
  if (title) sessionStorage.setItem(draftKey(owner), title);
  else sessionStorage.removeItem(draftKey(owner));
}

/** What is being typed into a task, and the text that was there before. */
export type UnsavedText = { id: string; typed: Text; baseText: Text };

const unsavedTextKey = (owner: string) => `edit:${owner}`;

/** What was being typed when this tab last left its page, if it was neither saved nor given up. */
export function readUnsavedText(owner: string): UnsavedText | null {
  const text = sessionStorage.getItem(unsavedTextKey(owner));
  return text === null ? null : (JSON.parse(text) as UnsavedText);
}

export function saveUnsavedText(owner: string, unsaved: UnsavedText): void {
  sessionStorage.setItem(unsavedTextKey(owner), JSON.stringify(unsaved));
}

/** The edit is saved or given up. */
export function clearUnsavedText(owner: string): void {
  sessionStorage.removeItem(unsavedTextKey(owner));
}
