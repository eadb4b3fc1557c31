import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from "idb";
import type { Edit } from "./edit";

/** An edit that the server has not answered yet. Keys of one tab sort in the order of its edits. */
export type Waiting = { key: string; owner: string; tab: string; edit: Edit };

interface Schema extends DBSchema {
  edits: { key: string; value: Waiting };
}

const NAME = "waiting-edits";
const ADOPTING = "waiting-edits:adopting";

const lockOf = (tab: string) => `waiting-edits:${tab}`;

/**
 * What one person did and the server does not have yet, kept in the browser so that it survives a
 * reload, a crash and a sign-in in between.
 *
 * Each tab keeps its own, and shows by a lock that it lives. What tabs left that are no more is taken
 * over by the next one that opens. Another person's is erased, and all of it on sign-out.
 *
 * Where a browser keeps nothing (private windows of some), edits wait in memory alone.
 */
export class WaitingEdits {
  readonly #owner: string;
  readonly #tab = crypto.getRandomValues(new Uint32Array(2)).join("-");
  #database: Promise<IDBPDatabase<Schema> | null> | undefined;
  #count = 0;

  constructor(owner: string) {
    this.#owner = owner;
  }

  #open() {
    this.#database ??= openDB<Schema>(NAME, 1, {
      upgrade: (database) => void database.createObjectStore("edits", { keyPath: "key" }),
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    }).catch(() => null);
    return this.#database;
  }

  /** Made on the spot, so that edits stay in order however long keeping them takes. */
  wrap(edit: Edit): Waiting {
    this.#count += 1;
    const place = String(Date.now()).padStart(15, "0") + String(this.#count).padStart(6, "0");
    return { key: `${place}:${this.#tab}`, owner: this.#owner, tab: this.#tab, edit };
  }

  async keep(waiting: Waiting): Promise<void> {
    await this.#try((database) => {
      const transaction = database.transaction("edits", "readwrite");
      void transaction.store.put(waiting);
      // Else the browser waits for more of this page, which may be closing, and then keeps nothing.
      transaction.commit();
      return transaction.done;
    });
  }

  async settle({ key }: Waiting): Promise<void> {
    await this.#try((database) => database.delete("edits", key));
  }

  async #try(work: (database: IDBPDatabase<Schema>) => Promise<unknown>): Promise<void> {
    try {
      const database = await this.#open();
      if (database) await work(database);
    } catch {
      // Closed by a sign-out in another tab, or full: this edit waits in memory.
    }
  }

  /** What this person's closed tabs left, in order. Erases what anybody else did. */
  async adopt(): Promise<Waiting[]> {
    if (!("locks" in navigator)) return [];
    // For as long as this page lives.
    void navigator.locks.request(lockOf(this.#tab), () => new Promise(() => {}));
    return await navigator.locks.request(ADOPTING, async () => {
      const adopted: Waiting[] = [];
      await this.#try(async (database) => {
        const { held = [] } = await navigator.locks.query();
        const living = new Set(held.map(({ name }) => name));
        const transaction = database.transaction("edits", "readwrite");
        for (const waiting of await transaction.store.getAll()) {
          if (waiting.owner !== this.#owner) await transaction.store.delete(waiting.key);
          else if (!living.has(lockOf(waiting.tab))) {
            const mine = { ...waiting, tab: this.#tab };
            await transaction.store.put(mine);
            adopted.push(mine);
          }
        }
        await transaction.done;
      });
      return adopted;
    });
  }
}

/** Forgets everybody's: whoever signs out leaves nothing in the browser. */
export async function forgetWaitingEdits(): Promise<void> {
  try {
    await deleteDB(NAME);
  } catch {
    // There is no place where anything could have been kept.
  }
}
