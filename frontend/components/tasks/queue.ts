import type { Client, CombinedError } from "urql";
import { failureCode, isOutage } from "@/lib/graphql";
import { applyEdit, type Edit, idsOf } from "./edit";
import { type PendingEdit, PendingEdits } from "./pending-edits";
import type { Replica } from "./replica";
import type { RetryTimer } from "./retry-timer";
import { type Answer, sendEdit } from "./send-edit";
import type { Task } from "./task";

type Listener = {
  /** Called when an edit stays in the queue because the server cannot take it now. */
  onOutage: (error: CombinedError) => void;
  /** Called when a task does not exist: reads what changed before the edit is given up. */
  refresh: () => Promise<void>;
  /** Called when the server accepted or refused an edit, which has left the queue. */
  onAnswer: (edit: PendingEdit, answer: Answer) => void;
};

/**
 * The edits that the server has not answered, in order. They are sent as mutations, one at a time, and
 * kept in IndexedDB until they are answered. During an outage they stay: each is safe to send twice.
 */
export class EditQueue {
  readonly #client: Client;
  readonly #replica: Replica;
  readonly #retry: RetryTimer;
  readonly #listener: Listener;
  readonly #storage: PendingEdits;
  #edits: PendingEdit[] = [];
  #status: "loading" | "idle" | "sending" = "loading";

  constructor(
    client: Client,
    owner: string,
    { replica, retry, ...listener }: Listener & { replica: Replica; retry: RetryTimer },
  ) {
    this.#client = client;
    this.#storage = new PendingEdits(owner);
    this.#replica = replica;
    this.#retry = retry;
    this.#listener = listener;
  }

  get size(): number {
    return this.#edits.length;
  }

  /** Whether an edit of this task is in the queue. */
  includes(id: string): boolean {
    return this.#edits.some(({ edit }) => idsOf(edit).includes(id));
  }

  /** Return the task with its pending edits applied (optimistic update); null when there is none. */
  applyTo(id: string): Task | null {
    let task = this.#replica.get(id);
    for (const { edit } of this.#edits) {
      if (idsOf(edit).includes(id)) task = applyEdit(edit, task, id);
    }
    return task;
  }

  add(edit: Edit): void {
    const pending = this.#storage.create(edit);
    void this.#storage.save(pending);
    this.#edits.push(pending);
  }

  /** Put the edits of closed tabs first and allow sending. Returns the ids of their tasks. */
  async load(): Promise<string[]> {
    const orphans = await this.#storage.takeOverOrphans();
    this.#edits.unshift(...orphans);
    this.#status = "idle";
    return orphans.flatMap(({ edit }) => idsOf(edit));
  }

  /** Send the edits until the queue is empty or one has to wait. A second call does nothing meanwhile. */
  async send(): Promise<void> {
    if (this.#status !== "idle" || this.#retry.isPausedByServer()) return;
    this.#status = "sending";
    try {
      let next = this.#edits[0];
      while (next && (await this.#deliver(next))) next = this.#edits[0];
    } finally {
      this.#status = "idle";
    }
  }

  /** Remove edits from IndexedDB that were kept there because of a conflict. */
  forget(edits: readonly PendingEdit[]): void {
    for (const edit of edits) void this.#storage.remove(edit);
  }

  /** Return whether the next edit may be sent. */
  async #deliver(pending: PendingEdit): Promise<boolean> {
    const answer = await sendEdit(this.#client, this.#replica, pending.edit);
    const { tasks, error, conflict } = answer;
    // The page leaves for sign-in. The edit is sent after that.
    if (error && failureCode(error) === "UNAUTHENTICATED") return false;
    if (error && isOutage(error)) {
      this.#listener.onOutage(error);
      return false;
    }
    this.#retry.reset();
    this.#replica.put(tasks);
    if (error && failureCode(error) === "NOT_FOUND") await this.#listener.refresh();
    this.#edits = this.#edits.filter((other) => other !== pending);
    if (!conflict) void this.#storage.remove(pending);
    this.#listener.onAnswer(pending, answer);
    return true;
  }
}
