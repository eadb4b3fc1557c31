/**
 * The new task that the server does not have yet: being typed, on its way, or refused. Kept for this
 * tab and this person, so that a sign-in or a reload in between loses nothing.
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
