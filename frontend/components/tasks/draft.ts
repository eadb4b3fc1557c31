import type { Text } from "./edit";

/*
 * What the server does not have yet, kept for this tab and this person, so that a sign-in or a reload
 * in between loses nothing.
 */

/** The new task that is being typed. */
const keyOf = (owner: string) => `draft:${owner}`;

export function readDraft(owner: string): string {
  return sessionStorage.getItem(keyOf(owner)) ?? "";
}

export function writeDraft(owner: string, title: string): void {
  if (title) sessionStorage.setItem(keyOf(owner), title);
  else sessionStorage.removeItem(keyOf(owner));
}

/** What is being typed into a task, and the text that was there before. */
export type Edit = { id: string; typed: Text; over: Text };

const editKeyOf = (owner: string) => `edit:${owner}`;

/** What was being typed when this tab last left its page, if it was neither saved nor given up. */
export function readEdit(owner: string): Edit | null {
  const text = sessionStorage.getItem(editKeyOf(owner));
  return text === null ? null : (JSON.parse(text) as Edit);
}

export function writeEdit(owner: string, edit: Edit): void {
  sessionStorage.setItem(editKeyOf(owner), JSON.stringify(edit));
}

/** The edit is saved or given up. */
export function settleEdit(owner: string): void {
  sessionStorage.removeItem(editKeyOf(owner));
}
