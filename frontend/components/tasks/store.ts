import type { Client, CombinedError } from "urql";
import { isLeaving } from "@/components/account/signed-out";
import { apiErrorMessage, failureCode, isOutage, retryAfterIn } from "@/lib/graphql";
import { addConflict, type Conflict, overwrite, unsavedTexts } from "./conflict";
import { type Edit, idsOf, inverseOf } from "./edit";
import { UndoHistory } from "./history";
import type { PendingEdit } from "./pending-edits";
import { EditQueue } from "./queue";
import { Replica } from "./replica";
import { RetryTimer } from "./retry-timer";
import type { Answer } from "./send-edit";
import { ShownTasks } from "./shown-tasks";
import type { Task } from "./task";
import type { Sort } from "./view";

/** What the page shows besides the tasks. A new object with every change. */
export type State = {
  /** Increases with each change of the tasks. */
  revision: number;
  /** Whether all tasks are read, and not only the first page. */
  isComplete: boolean;
  /** Number of edits that the server has not answered. */
  pendingCount: number;
  /** Why edits or changes do not go through at the moment, as a sentence; null when they do. */
  syncProblem: string | null;
  /** Conflicts for the person to resolve, the first one first. */
  conflicts: readonly Conflict[];
};

/** An edit that the server refused and that was rolled back. */
type Refusal = { message: string; retry?: () => void };

const OFFLINE = "You are offline.";

const POLL_MS = 5_000;

/**
 * All tasks of one person, in memory. Stores the server's tasks (`Replica`), applies pending edits on
 * top (`EditQueue`), and remembers how to undo them (`UndoHistory`).
 *
 * So an edit shows at once, removing a refused one rolls it back, and changes from elsewhere appear
 * beneath the pending edits. Changes are polled every few seconds.
 */
export class TaskStore {
  readonly #replica: Replica;
  readonly #queue: EditQueue;
  readonly #shown: ShownTasks;
  readonly #history = new UndoHistory();
  readonly #retry = new RetryTimer(() => void this.tryNow());
  readonly #listeners = new Set<() => void>();
  #loading: Promise<void> | undefined;
  #refreshing: Promise<void> | undefined;
  #channel: BroadcastChannel | undefined;
  #state: State = {
    revision: 0,
    isComplete: false,
    pendingCount: 0,
    syncProblem: null,
    conflicts: [],
  };

  /** Called for each edit that the server refused. */
  onRefusal: (refusal: Refusal) => void = () => {};

  /** @param seed the tasks of the page that the server rendered. */
  constructor(client: Client, owner: string, seed: readonly Task[]) {
    this.#replica = new Replica(client, seed);
    this.#queue = new EditQueue(client, owner, {
      replica: this.#replica,
      retry: this.#retry,
      onOutage: (error) => this.#pause(error),
      refresh: () => this.refresh(),
      onAnswer: (pending, answer) => this.#settle(pending, answer),
    });
    this.#shown = new ShownTasks((id) => this.#queue.applyTo(id));
    this.#shown.update(seed.map(({ id }) => id));
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly state = () => this.#state;

  get(id: string): Task | null {
    return this.#shown.get(id);
  }

  /** Whether an edit of the task is not answered yet. */
  isPending(id: string): boolean {
    return this.#queue.includes(id);
  }

  ordered(sort: Sort): readonly Task[] {
    return this.#shown.ordered(sort);
  }

  /**
   * Show the edits, send them in order, and record how to undo them.
   *
   * @param coalesce whether a text edit that continues the one before is undone together with it.
   */
  act(edits: readonly Edit[], message: string, coalesce = false): void {
    this.#history.record(message, this.#perform(edits), coalesce);
  }

  /** Undo the latest step. Returns its message, or null when there is none. */
  undo(): string | null {
    return this.#history.undo((edits) => this.#perform(edits));
  }

  redo(): string | null {
    return this.#history.redo((edits) => this.#perform(edits));
  }

  /** Resolve the first conflict as the person chose. Either choice can be undone. */
  resolveConflict(keep: "mine" | "theirs"): void {
    const [conflict, ...conflicts] = this.#state.conflicts;
    if (!conflict) return;
    const edit = overwrite(conflict);
    this.#history.discardTexts(conflict.id, unsavedTexts(conflict));
    if (keep === "mine") this.act([edit], "Kept your text");
    else this.#history.add("Kept the other text", [edit]);
    this.#queue.forget(conflict.edits);
    this.#change({ conflicts });
  }

  /** Send and read at once, without waiting for the end of the pause after a failure. */
  async tryNow(): Promise<void> {
    this.#retry.resume();
    await this.#sync();
  }

  /** Read what changed on the server. Calls that overlap share one read. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#pull().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /** Take over the edits of closed tabs, read all tasks, and poll. Returns what stops the polling. */
  start(owner: string): () => void {
    const poll = () => {
      if (document.visibilityState !== "visible" || isLeaving() || this.#retry.isPaused()) return;
      void this.tryNow();
    };
    // The person or the network is back. That ends our own pause, but not one that the server asked for.
    const onReturn = () => {
      // A device that has just woken may have no network. The `online` event then calls this again.
      // Polling continues in the meantime, because `onLine` may be wrong.
      if (!navigator.onLine) return;
      this.#retry.skipOwnPause();
      poll();
    };
    const onOffline = () => this.#change({ syncProblem: OFFLINE });
    const timer = setInterval(poll, POLL_MS);
    document.addEventListener("visibilitychange", onReturn);
    window.addEventListener("online", onReturn);
    window.addEventListener("offline", onOffline);
    if (typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(`tasks:${owner}`);
      this.#channel.onmessage = poll;
    }
    // React calls `start` twice in development.
    this.#loading ??= this.#load();
    return () => {
      clearInterval(timer);
      this.#retry.stop();
      document.removeEventListener("visibilitychange", onReturn);
      window.removeEventListener("online", onReturn);
      window.removeEventListener("offline", onOffline);
      this.#channel?.close();
    };
  }

  async #load(): Promise<void> {
    const ids = await this.#queue.load();
    if (ids.length > 0) this.#show(ids);
    this.#change({});
    await this.#sync();
  }

  async #sync(): Promise<void> {
    await Promise.all([this.#queue.send(), this.refresh()]);
  }

  /** Show the edits and send them. Returns the edits that undo them. */
  #perform(edits: readonly Edit[]): Edit[] {
    const inverse: Edit[] = [];
    const now = new Date().toISOString();
    for (const edit of edits) {
      inverse.unshift(...inverseOf(edit, (id) => this.get(id), now));
      this.#queue.add(edit);
      this.#show(idsOf(edit));
    }
    this.#change({});
    void this.#queue.send();
    return inverse;
  }

  #show(ids: Iterable<string>): void {
    this.#shown.update(ids);
    this.#state = { ...this.#state, revision: this.#state.revision + 1 };
  }

  #change(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change, pendingCount: this.#queue.size };
    for (const listener of this.#listeners) listener();
  }

  #settle(pending: PendingEdit, { error, conflict }: Answer): void {
    const { edit } = pending;
    if (edit.kind === "delete" && !error) for (const id of edit.ids) this.#replica.delete(id);
    if (error) this.#rollBack(edit, error);
    this.#show(idsOf(edit));
    const { conflicts } = this.#state;
    const isConflict = conflict !== undefined && edit.kind === "write";
    this.#change({
      syncProblem: null,
      conflicts: isConflict ? addConflict(conflicts, pending, edit, conflict) : conflicts,
    });
    // Other tabs read what changed.
    if (!error) this.#channel?.postMessage(null);
  }

  /** Tell about a refused edit, or send it again without the tasks that do not exist. */
  #rollBack(edit: Edit, error: CombinedError): void {
    if (failureCode(error) === "NOT_FOUND") {
      const existing = idsOf(edit).filter((id) => this.#replica.has(id));
      if ("ids" in edit && existing.length > 0 && existing.length < edit.ids.length) {
        this.#perform([{ ...edit, ids: existing }]);
      } else if (edit.kind !== "delete") this.onRefusal({ message: apiErrorMessage(error) });
      return;
    }
    this.onRefusal({ message: apiErrorMessage(error), retry: () => void this.#perform([edit]) });
  }

  async #pull(): Promise<void> {
    const result = await this.#replica.pull();
    if (result.isComplete) this.#showPulled(result.ids);
    else if (result.error) this.#pullFailed(result.error);
  }

  #pullFailed(error: CombinedError): void {
    if (failureCode(error) === "UNAUTHENTICATED") return;
    if (isOutage(error)) this.#pause(error);
    else this.#change({ syncProblem: apiErrorMessage(error) });
  }

  #showPulled(ids: ReadonlySet<string>): void {
    if (ids.size > 0) this.#show(ids);
    const { syncProblem, isComplete } = this.#state;
    const hasPending = this.#queue.size > 0;
    if (!hasPending) this.#retry.reset();
    // With edits in the queue, their own success clears the problem.
    const next = hasPending ? syncProblem : null;
    if (ids.size > 0 || !isComplete || syncProblem !== next) {
      this.#change({ isComplete: true, syncProblem: next });
    }
  }

  /** Say why nothing goes through, and try again after a pause. */
  #pause(error: CombinedError): void {
    const isOffline = failureCode(error) === "UNREACHABLE" && !navigator.onLine;
    this.#change({ syncProblem: isOffline ? OFFLINE : apiErrorMessage(error) });
    this.#retry.pause(retryAfterIn(error));
  }
}
