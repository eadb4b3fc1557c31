import "fake-indexeddb/auto";
import { deleteDB, openDB } from "idb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  eraseOfflineCopy,
  OfflineCopy,
  type Person,
  readPerson,
  type SavedChanges,
} from "../components/offline/offline-copy";
import { openStore } from "../components/tasks/app-store";
import type { Task } from "../components/tasks/task";
import { FakeApi } from "./fake-api";
import { ada } from "./person";
import { task } from "./task";

const SHAPE = "sha256:tasks";
const bob: Person = { ...ada, id: "bob", email: "bob@example.com" };

const full = (...rows: Task[]): SavedChanges => ({
  noun: "tasks",
  shape: SHAPE,
  after: null,
  cursor: "1",
  changed: rows,
  deletedIds: [],
  all: () => rows,
});

/** Changes after a cursor, of a page that has these rows after them. */
const changes = (
  after: string,
  cursor: string,
  changed: Task[],
  all: Task[],
  deletedIds: string[] = [],
): SavedChanges => ({ ...full(...all), after, cursor, changed, deletedIds });

const read = (person: Person) => new OfflineCopy(person).read("tasks", SHAPE);

/** Let a new page begin now, after everything that is stored. */
const openPage = () => vi.spyOn(performance, "timeOrigin", "get").mockReturnValue(Date.now() + 1);

beforeEach(() => {
  openPage();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await deleteDB("offline-copy");
});

test("rows are read as they were stored, with their cursor", async () => {
  const milk = task();
  expect(await read(ada)).toBeNull();
  await new OfflineCopy(ada).save([full(milk)]);
  expect(await read(ada)).toEqual({ rows: [milk], cursor: "1" });
  expect(await readPerson()).toEqual(ada);
});

test("changes replace and delete single rows, and a full read replaces all", async () => {
  const [milk, bread, tea] = [task(), task(), task()];
  const copy = new OfflineCopy(ada);
  await copy.save([full(milk, bread)]);
  const changed = { ...milk, title: "Oat milk", version: 2 };
  const deletedIds = [bread.id];
  await copy.save([changes("1", "2", [changed, tea], [], deletedIds)]);
  expect(await read(ada)).toEqual({ rows: [changed, tea], cursor: "2" });
  await copy.save([full(bread)]);
  expect(await read(ada)).toEqual({ rows: [bread], cursor: "1" });
});

test("a page that stores its rows late leaves no gap in those of another page", async () => {
  const [milk, bread, tea] = [task(), task(), task()];
  const [second, third] = [2, 3].map((version) => ({ ...milk, version }) as Task) as [Task, Task];
  const [late, other] = [new OfflineCopy(ada), new OfflineCopy(ada)];
  await late.save([full(milk, bread)]);
  await other.save([changes("1", "3", [third], [third], [bread.id])]);
  await late.save([changes("1", "2", [second], [second, bread])]);
  expect((await read(ada))?.rows).toEqual(expect.arrayContaining([second, bread]));
  await other.save([changes("3", "4", [tea], [third, tea])]);
  const stored = await read(ada);
  expect(stored?.cursor).toBe("4");
  expect(stored?.rows).toHaveLength(2);
  expect(stored?.rows).toEqual(expect.arrayContaining([third, tea]));
});

test("stored rows with other fields than the page requests are ignored", async () => {
  await new OfflineCopy(ada).save([full(task())]);
  expect(await new OfflineCopy(ada).read("tasks", "sha256:with-a-new-field")).toBeNull();
});

describe("another person", () => {
  test("reads nothing, and replaces everything with the first rows of their own", async () => {
    await new OfflineCopy(ada).save([full(task()), { ...full(task()), noun: "projects" }]);
    expect(await read(bob)).toBeNull();
    const tea = task();
    await new OfflineCopy(bob).save([full(tea)]);
    expect(await read(bob)).toEqual({ rows: [tea], cursor: "1" });
    expect(await read(ada)).toBeNull();
    const database = await openDB("offline-copy");
    expect(await database.count("rows")).toBe(1);
    database.close();
  });

  test("keeps their rows, although a page of the first person is still open", async () => {
    const forgotten = new OfflineCopy(ada);
    await forgotten.save([full(task())]);
    const tea = task();
    await new OfflineCopy(bob).save([full(tea)]);
    await forgotten.save([full(task())]);
    expect(await read(ada)).toBeNull();
    expect(await read(bob)).toEqual({ rows: [tea], cursor: "1" });
  });
});

describe("after an erasure", () => {
  test("the copy is empty, and a page that was open before stores nothing", async () => {
    const copy = new OfflineCopy(ada);
    await copy.save([full(task())]);
    await eraseOfflineCopy();
    await copy.save([full(task())]);
    expect([await readPerson(), await read(ada)]).toEqual([null, null]);
  });

  test("a page that was requested before the erasure stores nothing", async () => {
    const copy = new OfflineCopy(ada);
    vi.spyOn(performance, "timeOrigin", "get").mockReturnValue(Date.now() - 1);
    await eraseOfflineCopy();
    await copy.save([full(task())]);
    expect(await readPerson()).toBeNull();
  });

  test("the next page stores rows again", async () => {
    await eraseOfflineCopy();
    openPage();
    const milk = task();
    await new OfflineCopy(ada).save([full(milk)]);
    expect(await read(ada)).toEqual({ rows: [milk], cursor: "1" });
  });
});

test("after the end of the session no person is returned, and the rows are erased", async () => {
  const over = { ...ada, sessionEndsAt: Date.now() - 1 };
  await new OfflineCopy(over).save([full(task())]);
  expect(await readPerson()).toBeNull();
  expect(await read(ada)).toBeNull();
});

test("after a change that cannot be stored, no later change is stored, to avoid a gap", async () => {
  const copy = new OfflineCopy(ada);
  const milk = task();
  await copy.save([full(milk)]);
  const unstorable = { ...task(), title: () => "" } as never;
  await copy.save([changes("1", "2", [unstorable], [])]);
  await copy.save([changes("2", "3", [task()], [])]);
  expect(await read(ada)).toEqual({ rows: [milk], cursor: "1" });
});

test("a store shows stored rows without the server, and then reads only what changed", async () => {
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("BroadcastChannel", undefined);
  const api = new FakeApi();
  const milk = task();
  api.tasks.set(milk.id, milk);
  const first = openStore(api.client, ada, null, null);
  const stop = first.start(ada.id);
  await vi.waitFor(async () => expect(await readPerson()).toEqual(ada));
  stop();

  api.status = "down";
  const second = openStore(api.client, ada, null, null);
  const stopSecond = second.start(ada.id);
  await vi.waitFor(() => expect(second.state().isComplete).toBe(true));
  expect(second.tables.tasks.get(milk.id)).toEqual(milk);
  api.status = "up";
  const before = api.calls.length;
  await second.tryNow();
  const reads = api.calls.slice(before).filter(({ name }) => name === "TaskChanges");
  expect(reads[0]?.variables.after).not.toBeNull();
  stopSecond();
  vi.unstubAllGlobals();
});
