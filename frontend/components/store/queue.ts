import type { Client, CombinedError } from "urql";
import { failureCode, isOutage } from "@/lib/graphql";
import { applyEdit, type Edit, effectsOf, idsOf } from "./edit";
import type { Row } from "./noun";
import { type PendingEdit, PendingEdits } from "./pending-edits";
import type { RetryTimer } from "./retry-timer";
import { type Answer, sendEdit } from "./send-edit";
import type { Table } from "./table";

/** The table of each noun, by its name. */
export type Tables = Readonly<Record<string, Table>>;

/** An edit of any of the nouns. */
export type EditOf<T extends Tables> = T[keyof T] extends infer One
  ? One extends Table<infer Types>
    ? Edit<Types>
    : never
  : never;

/**
 * Return the table of a noun.
 *
 * @throws {Error} if the app has none.
 */
export function tableOf(tables: Tables, noun: string): Table {
  const table = tables[noun];
  if (!table) throw new Error(`There is no table ${noun}`);
  return table;
}

type Listener = {
  /** Called when an edit stays in the queue because the server cannot take it now. */
  onOutage: (error: CombinedError) => void;
  /** Called when a row does not exist: reads what changed before the edit is given up. */
  refresh: () => Promise<void>;
  /** Called when the server accepted or refused an edit, which has left the queue. */
  onAnswer: (edit: PendingEdit, answer: Answer) => void;
};

/** An edit in the queue, with the ids that it changes: in sets, because they may be thousands. */
type Queued = { pending: PendingEdit; effects: { edit: Edit; ids: ReadonlySet<string> }[] };

const queued = (pending: PendingEdit): Queued => ({
  pending,
  effects: effectsOf(pending.edit).map((edit) => ({ edit, ids: new Set(idsOf(edit)) })),
});

/**
 * The edits of all nouns that the server has not answered, in order. They are sent as mutations,
 * one at a time, and kept in IndexedDB until they are answered. So a project is created before the
 * tasks in it. During an outage, the edits stay in the queue. An edit may be sent again, because it
 * is idempotent.
 */
export class EditQueue {
  readonly #client: Client;
  readonly #tables: Tables;
  readonly #retry: RetryTimer;
  readonly #listener: Listener;
  readonly #storage: PendingEdits;
  #edits: Queued[] = [];
  #status: "loading" | "idle" | "sending" = "loading";

  constructor(
    client: Client,
    owner: string,
    { tables, retry, ...listener }: Listener & { tables: Tables; retry: RetryTimer },
  ) {
    this.#client = client;
    this.#storage = new PendingEdits(owner);
    this.#tables = tables;
    this.#retry = retry;
    this.#listener = listener;
  }

  get size(): number {
    return this.#edits.length;
  }

  /** Return the edits in the queue that change this row, in order. */
  #editsOf(noun: string, id: string): Edit[] {
    const effects = this.#edits.flatMap((one) => one.effects);
    return effects
      .filter(({ edit, ids }) => edit.noun === noun && ids.has(id))
      .map(({ edit }) => edit);
  }

  /** Whether an edit of this row is in the queue. */
  includes(noun: string, id: string): boolean {
    return this.#editsOf(noun, id).length > 0;
  }

  /** Return the row with its pending edits applied (optimistic update); null when there is none. */
  applyTo(name: string, id: string): Row | null {
    const { noun, replica } = tableOf(this.#tables, name);
    let row = replica.get(id);
    for (const edit of this.#editsOf(name, id)) row = applyEdit(noun, edit, row, id);
    return row;
  }

  add(edit: Edit): void {
    const pending = this.#storage.create(edit);
    void this.#storage.save(pending);
    this.#edits.push(queued(pending));
  }

  /** Send another edit in the place of one that was refused: later edits may depend on it. */
  replace(refused: PendingEdit, edit: Edit): void {
    const pending = { ...refused, edit };
    void this.#storage.save(pending);
    this.#edits.unshift(queued(pending));
  }

  /** Put the edits of closed tabs first and allow sending. Returns these edits. */
  async load(): Promise<Edit[]> {
    const orphans = await this.#storage.takeOverOrphans();
    this.#edits.unshift(...orphans.map(queued));
    this.#status = "idle";
    return orphans.map(({ edit }) => edit);
  }

  /**
   * Send the edits until the queue is empty or an edit has to wait. Until then, other calls do
   * nothing.
   */
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
  async #deliver(next: Queued): Promise<boolean> {
    const { edit } = next.pending;
    const table = tableOf(this.#tables, edit.noun);
    const answer = await sendEdit(this.#client, table, edit);
    const { rows, error, conflict } = answer;
    // The page leaves for sign-in. The edit is sent after that.
    if (error && failureCode(error) === "UNAUTHENTICATED") return false;
    if (error && isOutage(error)) {
      this.#listener.onOutage(error);
      return false;
    }
    this.#retry.reset();
    table.replica.put(rows);
    if (error && failureCode(error) === "NOT_FOUND") await this.#listener.refresh();
    else if (!error) this.#applyAccepted(next);
    this.#edits = this.#edits.filter((other) => other !== next);
    if (!conflict) void this.#storage.remove(next.pending);
    this.#listener.onAnswer(next.pending, answer);
    return true;
  }

  /**
   * Apply an accepted edit to those rows of the replica that the answer does not contain: to
   * deleted rows, and to the rows of the cascade. Later, the change feed replaces the rows of the
   * cascade by the server's rows.
   */
  #applyAccepted({ effects, pending }: Queued): void {
    for (const { edit, ids } of effects) {
      const { noun, replica } = tableOf(this.#tables, edit.noun);
      if (edit === pending.edit && edit.kind !== "delete") continue;
      for (const id of ids) {
        const row = applyEdit(noun, edit, replica.get(id), id);
        if (row) replica.put([row]);
        else if (edit.kind === "delete") replica.delete(id);
      }
    }
  }
}
