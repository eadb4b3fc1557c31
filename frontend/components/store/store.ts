import type { Client, CombinedError } from "urql";
import { beforeLeaving, isLeaving } from "@/components/account/signed-out";
import type { OfflineCopy } from "@/components/offline/offline-copy";
import { apiErrorMessage, failureCode, isOutage, retryAfterIn } from "@/lib/graphql";
import { addConflict, overwrite, unsavedTexts } from "./conflict";
import { type Edit, effectsOf, idsOf, inverseOf } from "./edit";
import { canReferTo, withExistingIds } from "./existing";
import { Feeds } from "./feeds";
import { UndoHistory } from "./history";
import type { Connection, Live } from "./live";
import type { FeedPart } from "./noun";
import { watchPage } from "./page-events";
import type { PendingEdit } from "./pending-edits";
import { type EditOf, EditQueue, type Tables, tableOf } from "./queue";
import { Refusals } from "./refusals";
import { RetryTimer } from "./retry-timer";
import type { Answer } from "./send-edit";
import type { State } from "./state";

const OFFLINE = "You are offline.";

/**
 * All rows of one person, in memory: a table for each noun. Stores the server's rows (`Replica`),
 * applies pending edits on top (`EditQueue`), and remembers how to undo them (`UndoHistory`).
 *
 * So an edit shows at once, and a refused edit is rolled back by removing it. Changes that others
 * made appear beneath the pending edits. Changes arrive over a socket (`Live`), or are polled every
 * few seconds.
 */
export class Store<T extends Tables = Tables> {
  readonly tables: T;
  readonly refusals = new Refusals();
  readonly #queue: EditQueue;
  readonly copy: OfflineCopy;
  readonly #feeds: Feeds;
  /** Null if changes are only polled. */
  readonly #connection: Connection | null;
  #live: Live | undefined;
  readonly #history = new UndoHistory();
  readonly #retry = new RetryTimer(() => void this.tryNow());
  readonly #listeners = new Set<() => void>();
  /** Whether the browser had stored the rows of every noun. */
  #isRestored: boolean = false;
  #loading: Promise<void> | undefined;
  #refreshing: Promise<boolean> | undefined;
  #channel: BroadcastChannel | undefined;
  #state: State = {
    revision: 0,
    isComplete: false,
    pendingCount: 0,
    syncProblem: null,
    conflicts: [],
  };

  constructor(
    client: Client,
    owner: string,
    tables: T,
    { copy, connection }: { copy: OfflineCopy; connection: Connection | null },
  ) {
    this.tables = tables;
    this.copy = copy;
    this.#feeds = new Feeds(tables, copy);
    this.#connection = connection;
    this.#queue = new EditQueue(client, owner, {
      tables,
      retry: this.#retry,
      onOutage: (error) => this.#pause(error),
      refresh: async () => void (await this.refresh()),
      onAnswer: (pending, answer) => this.#settle(pending, answer),
    });
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly state = () => this.#state;

  /** Whether an edit of the row is not answered yet. */
  isPending(noun: keyof T & string, id: string): boolean {
    return this.#queue.includes(noun, id);
  }

  /**
   * Show the edits, send them in order, and record how to undo them.
   *
   * @param coalesce whether a text edit that continues the one before is undone together with it.
   */
  act(edits: readonly EditOf<T>[], message: string, coalesce = false): void {
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
    this.#history.discardTexts(conflict, unsavedTexts(conflict));
    if (keep === "mine") this.#history.record("Kept your text", this.#perform([edit]));
    else this.#history.add("Kept the other text", [edit]);
    this.#queue.forget(conflict.edits);
    this.#change({ conflicts });
  }

  /** Send and read at once, without waiting for the end of the pause after a failure. */
  async tryNow(): Promise<void> {
    this.#retry.resume();
    await this.#sync();
  }

  /**
   * Read the changes on the server. Calls that overlap share one read. Return whether all feeds
   * were read to their ends.
   */
  async refresh(): Promise<boolean> {
    this.#refreshing ??= this.#pull().finally(() => {
      this.#refreshing = undefined;
    });
    return await this.#refreshing;
  }

  /**
   * Show the stored rows, take over the edits of closed tabs, read the change feeds, and follow or
   * poll them. Returns a function that stops this, after which the store can be started again.
   */
  start(owner: string): () => void {
    const poll = () => {
      if (this.#live?.isOpen || document.visibilityState !== "visible") return;
      if (!(isLeaving() || this.#retry.isPaused())) void this.tryNow();
    };
    const stopWatching = watchPage({
      onTimer: () => {
        this.#live?.check();
        poll();
      },
      // The person or the network is back. This ends a pause that the app chose itself, but not one
      // that the server asked for.
      onReturn: () => {
        this.#retry.skipOwnPause();
        this.#live?.tryNow();
        poll();
      },
      onOffline: () => this.#change({ syncProblem: OFFLINE }),
    });
    if (typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(`tasks:${owner}`);
      this.#channel.onmessage = poll;
    }
    // The person has come back to the page. React also calls `start` twice in development.
    if (this.#loading) {
      if (this.#retry.isPaused()) this.#retry.start();
      void this.#loading.then(poll);
    } else this.#loading = this.#load();
    const stopped = new AbortController();
    const forget = beforeLeaving(() => stopped.abort());
    if (this.#connection) void this.#follow(this.#connection, stopped.signal);
    return () => {
      forget();
      stopped.abort();
      stopWatching();
      // Edits that are not saved are sent again, although the person has left the page.
      if (this.#queue.size === 0) this.#retry.stop();
      this.#channel?.close();
      // `postMessage` on a closed channel throws an error, which would stop the queue of edits.
      this.#channel = undefined;
    };
  }

  async #load(): Promise<void> {
    await this.#restore();
    for (const edit of await this.#queue.load()) this.#show(edit);
    this.#change({});
    await this.#sync();
  }

  /** Show the rows that are stored in the browser, before the server has answered. */
  async #restore(): Promise<void> {
    const tables = Object.values(this.tables);
    const restored = await Promise.all(tables.map((table) => table.restore(this.copy)));
    for (const [index, { noun }] of tables.entries())
      this.#showRows(noun.name, restored[index] ?? []);
    this.#isRestored = restored.every((ids) => ids !== null);
    if (this.#isRestored && !navigator.onLine) this.#change({ isComplete: true });
  }

  async #sync(): Promise<void> {
    await Promise.all([this.#queue.send(), this.refresh()]);
  }

  /** Show the edits and send them. Returns the edits that undo them. */
  #perform(edits: readonly Edit[]): Edit[] {
    const inverse: Edit[] = [];
    const now = new Date().toISOString();
    for (const edit of edits) {
      const table = tableOf(this.tables, edit.noun);
      inverse.unshift(...inverseOf(table.noun, edit, (id) => table.get(id), now));
      this.#queue.add(edit);
      this.#show(edit);
    }
    this.#change({});
    void this.#queue.send();
    return inverse;
  }

  /** Show the rows that an edit changes as they are now. */
  #show(edit: Edit): void {
    for (const effect of effectsOf(edit)) this.#showRows(effect.noun, idsOf(effect));
  }

  #showRows(noun: string, ids: Iterable<string>): void {
    const table = tableOf(this.tables, noun);
    let { revision } = this.#state;
    for (const id of ids) if (table.show(id, this.#queue.applyTo(noun, id))) revision += 1;
    this.#state = { ...this.#state, revision };
  }

  #change(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change, pendingCount: this.#queue.size };
    for (const listener of this.#listeners) listener();
  }

  #settle(pending: PendingEdit, { error, conflict }: Answer): void {
    const { edit } = pending;
    if (error) this.#rollBack(pending, error);
    this.#show(edit);
    const { conflicts } = this.#state;
    const isConflict = conflict !== undefined && edit.kind === "write";
    this.#change({
      syncProblem: null,
      conflicts: isConflict ? addConflict(conflicts, pending, edit, conflict) : conflicts,
    });
    if (error) return;
    // Other tabs read the change, and this tab reads the rows of the cascade.
    this.#channel?.postMessage(null);
    if ("cascade" in edit && !this.#live?.isOpen) void this.refresh();
  }

  /** Report a refused edit. If rows do not exist, send the rest of the edit without them. */
  #rollBack(pending: PendingEdit, error: CombinedError): void {
    const { edit } = pending;
    const { noun } = tableOf(this.tables, edit.noun);
    const message = apiErrorMessage(error, noun.singular);
    if (failureCode(error) !== "NOT_FOUND") {
      this.refusals.report({ message, retry: () => void this.#perform([edit]) });
      return;
    }
    const existing = withExistingIds(this.tables, edit);
    const repaired = noun.withoutMissing(edit, (name, id) => canReferTo(this.tables, name, id));
    const left = existing ?? repaired?.left;
    if (left) this.#queue.replace(pending, left);
    if (existing || edit.kind === "delete") return;
    this.refusals.report({ message: repaired?.message ?? message });
  }

  /** Load the code of live changes, which the page does not need at first, and follow the feeds. */
  async #follow(connection: Connection, until: AbortSignal): Promise<void> {
    // Without the code the page polls. The browser has logged why it was not loaded.
    const code = await import("./live").catch(() => null);
    if (!code || until.aborted) return;
    this.#live ??= new code.Live(connection, {
      subscriptions: async (isBehind) => {
        await this.#loading;
        const mustRead = isBehind || this.#feeds.subscriptions() === null;
        if (mustRead && this.#retry.isPausedByServer()) return null;
        if (isBehind) await this.refresh();
        if (this.#feeds.subscriptions() === null) await this.refresh();
        return this.#feeds.subscriptions();
      },
      receive: (parts) => this.#receive(parts),
      onOpen: () => {
        if (this.#state.syncProblem === null) return;
        // A pause that the server asked for goes on, although the socket could be opened.
        this.#retry.skipOwnPause();
        if (!this.#retry.isPaused()) void this.#sync();
      },
    });
    until.addEventListener("abort", this.#live.start());
  }

  /** Show changes that have arrived. If changes before these are missing, read the feeds. */
  async #receive(parts: readonly FeedPart[]): Promise<void> {
    await this.#loading;
    const after: FeedPart[] = [];
    const { revision } = this.#state;
    for (const part of parts) {
      const changed = this.#feeds.receive(part);
      if (changed) this.#showRows(changed.noun, changed.ids);
      else after.push(part);
    }
    if (this.#state.revision !== revision) this.#change({});
    // After a pause that the server asked for, all changes are read.
    if (after.length === 0 || this.#retry.isPausedByServer()) return;
    // A read that began before these changes arrived may not have them.
    await this.#refreshing;
    if (await this.refresh()) for (const part of after) this.#feeds.continueAfter(part);
  }

  async #pull(): Promise<boolean> {
    const { changed, isComplete, error } = await this.#feeds.read();
    for (const { noun, ids } of changed) this.#showRows(noun, ids);
    if (isComplete) this.#pulled(changed.length > 0);
    else if (changed.length > 0) this.#change({});
    if (error) this.#pullFailed(error);
    return isComplete;
  }

  #pullFailed(error: CombinedError): void {
    if (failureCode(error) === "UNAUTHENTICATED") return;
    // The stored rows may lack what has changed since, but they are all that can be known now.
    if (this.#isRestored) this.#change({ isComplete: true });
    if (isOutage(error)) this.#pause(error);
    else this.#change({ syncProblem: apiErrorMessage(error) });
  }

  #pulled(hasChanged: boolean): void {
    const { syncProblem, isComplete } = this.#state;
    const hasPending = this.#queue.size > 0;
    if (!hasPending) this.#retry.reset();
    // With edits in the queue, their own success clears the problem.
    const next = hasPending ? syncProblem : null;
    if (hasChanged || !isComplete || syncProblem !== next) {
      this.#change({ isComplete: true, syncProblem: next });
    }
  }

  /** Show why the page cannot sync, and try again after a pause. */
  #pause(error: CombinedError): void {
    const isOffline = failureCode(error) === "UNREACHABLE" && !navigator.onLine;
    this.#change({ syncProblem: isOffline ? OFFLINE : apiErrorMessage(error) });
    this.#retry.pause(retryAfterIn(error));
  }
}
