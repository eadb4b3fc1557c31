import type { Client, CombinedError } from "urql";
import type { Task } from "./task";
import { readChanges } from "./task-changes";

/** The ids of the tasks that changed, or what stopped the reading, if it is worth a message. */
type PullResult =
  | { isComplete: true; ids: ReadonlySet<string> }
  | { isComplete: false; error: CombinedError | undefined };

const isExpiredCursor = (error: CombinedError) =>
  error.graphQLErrors.some(({ extensions }) => extensions.reason === "CURSOR_EXPIRED");

/** A copy of the server's tasks in memory, without the edits that the server has not answered. */
export class Replica {
  readonly #client: Client;
  readonly #tasks = new Map<string, Task>();
  /** Ids of permanently deleted tasks: an answer that is older must not bring one back. */
  readonly #deletedIds = new Set<string>();
  /** The end of what was read of the change feed; null reads all of it. */
  #cursor: string | null = null;

  /** @param seed the tasks of the page that the server rendered. */
  constructor(client: Client, seed: readonly Task[]) {
    this.#client = client;
    this.put(seed);
  }

  get(id: string): Task | null {
    return this.#tasks.get(id) ?? null;
  }

  has(id: string): boolean {
    return this.#tasks.has(id);
  }

  /** Store tasks as the server sent them. A version that is older than the stored one is ignored. */
  put(tasks: readonly Task[]): void {
    for (const task of tasks) {
      const known = this.#tasks.get(task.id);
      if (this.#deletedIds.has(task.id) || (known && known.version > task.version)) continue;
      this.#tasks.set(task.id, task);
    }
  }

  /** Remove a task that the server permanently deleted. */
  delete(id: string): void {
    this.#deletedIds.add(id);
    this.#tasks.delete(id);
  }

  /** Read what changed on the server since the last time, or all tasks the first time. */
  async pull(): Promise<PullResult> {
    // A full read has every task: those that are missing from it were deleted.
    const missing = new Set(this.#cursor === null ? this.#tasks.keys() : []);
    const changed = new Set<string>();
    const result = await readChanges(this.#client, this.#cursor, ({ taskId, task }) => {
      if (task) this.put([task]);
      else this.delete(taskId);
      missing.delete(taskId);
      changed.add(taskId);
    });
    if (!result.isComplete) return this.#stopped(result.error);
    this.#cursor = result.cursor;
    for (const id of missing) {
      this.delete(id);
      changed.add(id);
    }
    return { isComplete: true, ids: changed };
  }

  /** After an expired cursor, which needs no message, the next `pull` reads all tasks. */
  #stopped(error: CombinedError | undefined): PullResult {
    if (!(error && isExpiredCursor(error))) return { isComplete: false, error };
    this.#cursor = null;
    return { isComplete: false, error: undefined };
  }
}
