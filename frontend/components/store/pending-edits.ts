import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from "idb";
import type { Edit } from "./edit";
import type { Text } from "./noun";

/** An edit that the server has not answered yet. Keys sort in the order of a tab's edits. */
export type PendingEdit = { key: string; owner: string; tab: string; edit: Edit };

interface Schema extends DBSchema {
  edits: { key: string; value: PendingEdit };
}

const DATABASE = "waiting-edits";
/** Version 1 called the base text of an edit `over`. Before version 3, all edits were of tasks. */
const VERSION = 3;
const TAKEOVER_LOCK = "waiting-edits:adopting";

/** The name of the lock that a tab holds for as long as it is open. */
const tabLock = (tab: string) => `waiting-edits:${tab}`;

type OldEdit = Edit & { noun?: string; over?: Text };

/** Return a stored edit of an older version as this version has it. */
export function migrateEdit(edit: OldEdit): Edit {
  const { over, noun = "tasks", ...rest } = edit;
  return { ...rest, noun, ...(over && { baseText: over }) };
}

/**
 * One person's edits that the server has not answered, in IndexedDB. They survive a reload and a
 * crash, and also if the person has to sign in again.
 *
 * Each tab stores its own edits and holds a lock while it is open. The next tab that opens takes
 * over the edits of closed tabs. It erases the edits of other people. A sign-out erases all edits.
 *
 * Where IndexedDB is not available, as in some private windows, the functions do nothing. The edits
 * are then in memory only.
 */
export class PendingEdits {
  readonly #owner: string;
  readonly #tab = crypto.getRandomValues(new Uint32Array(2)).join("-");
  #database: Promise<IDBPDatabase<Schema> | null> | undefined;
  #count = 0;

  constructor(owner: string) {
    this.#owner = owner;
  }

  #open() {
    this.#database ??= openDB<Schema>(DATABASE, VERSION, {
      upgrade: async (database, oldVersion, _version, transaction) => {
        if (oldVersion < 1) database.createObjectStore("edits", { keyPath: "key" });
        const store = transaction.objectStore("edits");
        for (let cursor = await store.openCursor(); cursor; cursor = await cursor.continue()) {
          await cursor.update({ ...cursor.value, edit: migrateEdit(cursor.value.edit) });
        }
      },
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    }).catch(() => null);
    return this.#database;
  }

  /** Give an edit its key. Not asynchronous, so that keys have the order of the edits. */
  create(edit: Edit): PendingEdit {
    this.#count += 1;
    const order = String(Date.now()).padStart(15, "0") + String(this.#count).padStart(6, "0");
    return { key: `${order}:${this.#tab}`, owner: this.#owner, tab: this.#tab, edit };
  }

  async save(pending: PendingEdit): Promise<void> {
    await this.#try((database) => {
      const transaction = database.transaction("edits", "readwrite");
      void transaction.store.put(pending);
      // Without it the browser waits for more requests, and a page that is closing saves nothing.
      transaction.commit();
      return transaction.done;
    });
  }

  async remove({ key }: PendingEdit): Promise<void> {
    await this.#try((database) => database.delete("edits", key));
  }

  async #try(work: (database: IDBPDatabase<Schema>) => Promise<unknown>): Promise<void> {
    try {
      const database = await this.#open();
      if (database) await work(database);
    } catch {
      // Closed by a sign-out in another tab, or full: the edit is in memory only.
    }
  }

  /** Return the edits of this person's closed tabs, in order. Erases the edits of other people. */
  async takeOverOrphans(): Promise<PendingEdit[]> {
    if (!("locks" in navigator)) return [];
    // Never resolves: the lock is held for as long as the page is open.
    void navigator.locks.request(tabLock(this.#tab), () => new Promise(() => {}));
    return await navigator.locks.request(TAKEOVER_LOCK, async () => {
      const orphans: PendingEdit[] = [];
      await this.#try(async (database) => {
        const { held = [] } = await navigator.locks.query();
        const openTabs = new Set(held.map(({ name }) => name));
        const transaction = database.transaction("edits", "readwrite");
        for (const pending of await transaction.store.getAll()) {
          if (pending.owner !== this.#owner) await transaction.store.delete(pending.key);
          else if (!openTabs.has(tabLock(pending.tab))) {
            const mine = { ...pending, tab: this.#tab };
            await transaction.store.put(mine);
            orphans.push(mine);
          }
        }
        await transaction.done;
      });
      return orphans;
    });
  }
}

/** Erase everybody's pending edits, so that nothing stays in the browser after a sign-out. */
export async function erasePendingEdits(): Promise<void> {
  try {
    await deleteDB(DATABASE);
  } catch {
    // Without IndexedDB nothing was stored.
  }
}
