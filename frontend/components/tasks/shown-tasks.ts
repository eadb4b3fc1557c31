import type { Task } from "./task";
import { type Sort, sorted } from "./view";

/** The tasks that the page shows (server state with pending edits applied), in each order asked for. */
export class ShownTasks {
  readonly #read: (id: string) => Task | null;
  readonly #tasks = new Map<string, Task>();
  /** For each order its tasks, and the ids whose places may be out of date. */
  readonly #orders = new Map<Sort, { tasks: Task[]; stale: Set<string> }>();

  /** @param read returns a task as it is to be shown, or null when there is none. */
  constructor(read: (id: string) => Task | null) {
    this.#read = read;
  }

  get(id: string): Task | null {
    return this.#tasks.get(id) ?? null;
  }

  /** Read these tasks again. */
  update(ids: Iterable<string>): void {
    for (const id of ids) {
      const task = this.#read(id);
      if (task) this.#tasks.set(id, task);
      else this.#tasks.delete(id);
      for (const { stale } of this.#orders.values()) stale.add(id);
    }
  }

  /** Return all tasks in an order. Only those that changed are sorted in. */
  ordered(sort: Sort): readonly Task[] {
    const before = this.#orders.get(sort);
    const stale = before?.stale ?? new Set(this.#tasks.keys());
    if (before && stale.size === 0) return before.tasks;
    const tasks = before?.tasks.filter(({ id }) => !stale.has(id)) ?? [];
    for (const id of stale) {
      const task = this.#tasks.get(id);
      if (task) tasks.push(task);
    }
    this.#orders.set(sort, { tasks: sorted(tasks, sort), stale: new Set() });
    return tasks;
  }
}
