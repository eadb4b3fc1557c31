import type { Text } from "./noun";

/*
 * Unsaved text of one person, in this tab's session storage. It survives a reload and a sign-in.
 */

/** The title of the new task that is being typed. */
const draftKey = (owner: string) => `draft:${owner}`;

export function readDraft(owner: string): string {
  return sessionStorage.getItem(draftKey(owner)) ?? "";
}

export function writeDraft(owner: string, title: string): void {
  if (title) sessionStorage.setItem(draftKey(owner), title);
  else sessionStorage.removeItem(draftKey(owner));
}

const welcomedKey = (owner: string) => `welcomed:${owner}`;

/** Return true at the first call for a person in this tab, and false afterwards. */
export function isNewcomer(owner: string): boolean {
  const isNew = sessionStorage.getItem(welcomedKey(owner)) === null;
  sessionStorage.setItem(welcomedKey(owner), "");
  return isNew;
}

/** Text that is being typed into a task, and the text that was there before. */
export type UnsavedText = { id: string; typed: Text; baseText: Text };

const unsavedTextKey = (owner: string) => `edit:${owner}`;

/** Return the text that was neither saved nor discarded when this tab left the page. */
export function readUnsavedText(owner: string): UnsavedText | null {
  const text = sessionStorage.getItem(unsavedTextKey(owner));
  return text === null ? null : (JSON.parse(text) as UnsavedText);
}

export function saveUnsavedText(owner: string, unsaved: UnsavedText): void {
  sessionStorage.setItem(unsavedTextKey(owner), JSON.stringify(unsaved));
}

/** Remove the text, because it was saved or discarded. */
export function clearUnsavedText(owner: string): void {
  sessionStorage.removeItem(unsavedTextKey(owner));
}
