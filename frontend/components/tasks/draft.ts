/*
 * What the server does not have yet, kept for this tab and this person, so that a sign-in or a reload
 * in between loses nothing.
 */

/**
 * The new task that the server does not have yet: being typed, on its way, or refused.
 */
const keyOf = (owner: string) => `draft:${owner}`;

export function readDraft(owner: string): string {
  return sessionStorage.getItem(keyOf(owner)) ?? "";
}

export function writeDraft(owner: string, title: string): void {
  if (title) sessionStorage.setItem(keyOf(owner), title);
  else sessionStorage.removeItem(keyOf(owner));
}

/** The title is saved or given up. Another one, typed since, stays. */
export function settleDraft(owner: string, title: string): void {
  if (readDraft(owner).trim() === title) writeDraft(owner, "");
}

/** A task's title and description as they are being edited, over the version that was shown. */
export type Edit = { id: string; title: string; description: string; version: number };

const editKeyOf = (owner: string) => `edit:${owner}`;

/** What was being edited when this tab last left its page, if it was neither saved nor given up. */
export function readEdit(owner: string): Edit | null {
  const text = sessionStorage.getItem(editKeyOf(owner));
  return text === null ? null : (JSON.parse(text) as Edit);
}

export function writeEdit(owner: string, { id, title, description, version }: Edit): void {
  const edit: Edit = { id, title, description, version };
  sessionStorage.setItem(editKeyOf(owner), JSON.stringify(edit));
}

/** The edit is saved or given up. */
export function settleEdit(owner: string): void {
  sessionStorage.removeItem(editKeyOf(owner));
}
