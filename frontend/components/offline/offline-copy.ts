import { type DBSchema, deleteDB, type IDBPDatabase, type IDBPObjectStore, openDB } from "idb";
import type { Row } from "@/components/store/noun";

/** The person whose rows are stored. */
export type Person = {
  id: string;
  email: string;
  /**
   * When the session ends unless it is extended, in milliseconds. The rows are not shown after it.
   */
  sessionEndsAt: number;
};

/** The rows of a noun at a cursor of its change feed. */
export type StoredRows = { rows: Row[]; cursor: string | null };

/** The changes that a read of a change feed returned. */
export type SavedChanges = {
  noun: string;
  /** Identifies the fields of the rows. Rows with other fields are not read. */
  shape: string;
  /** The cursor before the changes; null if all rows were read. */
  after: string | null;
  cursor: string | null;
  changed: readonly Row[];
  deletedIds: readonly string[];
  /** All rows of the page, for a copy that is not at the cursor before the changes. */
  all: () => readonly Row[];
};

interface Schema extends DBSchema {
  people: { key: "current"; value: Person };
  erasures: { key: "latest"; value: number };
  feeds: { key: string; value: { shape: string; cursor: string | null } };
  rows: { key: [noun: string, id: string]; value: Row };
}

const DATABASE = "offline-copy";
const STORES = ["people", "erasures", "feeds", "rows"] as const;

type Stored<Name extends "feeds" | "rows"> = IDBPObjectStore<
  Schema,
  typeof STORES,
  Name,
  "readwrite"
>;

const rowsOf = (noun: string) => IDBKeyRange.bound([noun], [noun, []]);

let opened: Promise<IDBPDatabase<Schema> | null> | undefined;

function open(): Promise<IDBPDatabase<Schema> | null> {
  opened ??= openDB<Schema>(DATABASE, 1, {
    upgrade: (database) => {
      for (const name of STORES) database.createObjectStore(name);
    },
    // Another tab waits to upgrade or to delete the database, until this tab closes it.
    blocking: (_current, _blocked, event) => {
      (event.target as IDBDatabase).close();
      opened = undefined;
    },
    terminated: () => {
      opened = undefined;
    },
  }).catch(() => null);
  return opened;
}

/**
 * Run a transaction. Returns `otherwise` where IndexedDB is not available, as in some private
 * windows.
 */
async function attempt<T>(
  work: (database: IDBPDatabase<Schema>) => Promise<T>,
  otherwise: T,
): Promise<T> {
  try {
    const database = await open();
    return database ? await work(database) : otherwise;
  } catch {
    return otherwise;
  }
}

/**
 * The last known rows of one person in IndexedDB, so that the app opens without a network. They are
 * the rows that the server sent. Edits that the server has not answered are in `PendingEdits`.
 *
 * The copy has the rows of one person at a time. The first write of a page replaces another
 * person's rows. After that, the page stops writing when the copy is erased or belongs to another
 * person. After an erasure, no page that was opened before it can fill the copy: an old tab cannot
 * undo a sign-out.
 */
export class OfflineCopy {
  /** The person as the latest page has them: the e-mail address and the session can change. */
  person: Person;
  /** `open` once this page has read or written the copy. */
  #state: "new" | "open" = "new";
  /**
   * Resolves to false when changes could not be stored: the copy then stays as it was before them.
   */
  #saving = Promise.resolve(true);

  constructor(person: Person) {
    this.person = person;
  }

  /** Return the rows of a noun; null if there are none of this person with these fields. */
  async read(noun: string, shape: string): Promise<StoredRows | null> {
    return await attempt(async (database) => {
      const transaction = database.transaction(["people", "feeds", "rows"]);
      const [person, feed, rows] = await Promise.all([
        transaction.objectStore("people").get("current"),
        transaction.objectStore("feeds").get(noun),
        transaction.objectStore("rows").getAll(rowsOf(noun)),
      ]);
      if (person?.id !== this.person.id || feed?.shape !== shape) return null;
      this.#state = "open";
      return { rows, cursor: feed.cursor };
    }, null);
  }

  /** Store changes after those of earlier calls. */
  async save(changes: readonly SavedChanges[]): Promise<void> {
    this.#saving = this.#saving.then(
      (isOpen) => isOpen && attempt((database) => this.#write(database, changes), false),
    );
    await this.#saving;
  }

  /** Write changes. Returns false, and writes nothing, if this page may not write the copy. */
  async #write(database: IDBPDatabase<Schema>, changes: readonly SavedChanges[]): Promise<boolean> {
    const transaction = database.transaction(STORES, "readwrite");
    const people = transaction.objectStore("people");
    const feeds = transaction.objectStore("feeds");
    const rows = transaction.objectStore("rows");
    if ((await people.get("current"))?.id !== this.person.id) {
      const erasedAt = (await transaction.objectStore("erasures").get("latest")) ?? 0;
      if (this.#state === "open" || erasedAt >= performance.timeOrigin) return false;
      void feeds.clear();
      void rows.clear();
    }
    this.#state = "open";
    void people.put(this.person, "current");
    for (const change of changes) await this.#writeRows(change, feeds, rows);
    await transaction.done;
    return true;
  }

  async #writeRows(
    { noun, shape, after, cursor, changed, deletedIds, all }: SavedChanges,
    feeds: Stored<"feeds">,
    rows: Stored<"rows">,
  ): Promise<void> {
    const stored = await feeds.get(noun);
    // Another tab has stored the same changes.
    if (stored?.shape === shape && stored.cursor === cursor && after !== null) return;
    const isNext = after !== null && stored?.shape === shape && stored.cursor === after;
    // Another page may have stored older or newer rows. Changes would leave a gap among these.
    if (!isNext) void rows.delete(rowsOf(noun));
    for (const id of deletedIds) void rows.delete([noun, id]);
    for (const row of isNext ? changed : all()) void rows.put(row, [noun, row.id]);
    void feeds.put({ shape, cursor }, noun);
  }
}

/**
 * Return the person whose rows are stored, or null. After the end of the session, erase the rows.
 */
export async function readPerson(): Promise<Person | null> {
  const person = await attempt((database) => database.get("people", "current"), undefined);
  if (!person) return null;
  if (person.sessionEndsAt > Date.now()) return person;
  await eraseOfflineCopy();
  return null;
}

/** Erase everybody's rows. Pages that were opened before cannot store any again. */
export async function eraseOfflineCopy(): Promise<void> {
  const done = await attempt<"erased" | null>(async (database) => {
    const transaction = database.transaction(STORES, "readwrite");
    for (const name of STORES) void transaction.objectStore(name).clear();
    void transaction.objectStore("erasures").put(Date.now(), "latest");
    await transaction.done;
    return "erased";
  }, null);
  // The database cannot be opened, for example because it has a newer version.
  if (done === null) await deleteDB(DATABASE).catch(() => undefined);
}
