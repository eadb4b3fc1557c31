import type { Conflict } from "./conflict";

/** What the page shows besides the rows. A new object with every change. */
export type State = {
  /** Increases with each change of the rows. */
  revision: number;
  /** Whether all rows are read, and not only the first page. */
  isComplete: boolean;
  /** Number of edits that the server has not answered. */
  pendingCount: number;
  /** A sentence that says why the page cannot sync at the moment; null when it can. */
  syncProblem: string | null;
  /** Conflicts for the person to resolve, the first one first. */
  conflicts: readonly Conflict[];
};

/** An edit that the server refused and that was rolled back. */
export type Refusal = { message: string; retry?: () => void };
