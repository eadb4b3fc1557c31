import { beforeEach, describe, expect, test, vi } from "vitest";
import { OfflineCopy } from "../components/offline/offline-copy";
import { Store } from "../components/store/store";
import { Table } from "../components/store/table";
import { TASKS, type TaskEdit, type TaskTypes } from "../components/tasks/noun";
import type { Task } from "../components/tasks/task";
import { AT, FakeApi } from "./fake-api";
import { ada } from "./person";
import { task } from "./task";

type TaskStore = Store<{ tasks: Table<TaskTypes> }>;

const { BroadcastChannel } = globalThis;
let api: FakeApi;

async function open(...seed: Task[]): Promise<TaskStore> {
  for (const one of seed) api.tasks.set(one.id, one);
  const tasks = new Table(TASKS, api.client, seed);
  const store = new Store(
    api.client,
    ada.id,
    { tasks },
    {
      copy: new OfflineCopy(ada),
      connection: null,
    },
  );
  store.start(ada.id);
  await vi.waitFor(() => expect(store.state().isComplete).toBe(true));
  return store;
}

const settled = (store: TaskStore) => vi.waitFor(() => expect(store.state().pendingCount).toBe(0));

beforeEach(() => {
  api = new FakeApi();
  const target = new EventTarget();
  vi.stubGlobal("window", target);
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("BroadcastChannel", undefined);
  return () => vi.unstubAllGlobals();
});

describe("an edit", () => {
  test("is shown at once, and replaced by the server's answer", async () => {
    const milk = task();
    const store = await open(milk);
    store.act(
      [{ noun: "tasks", kind: "set", id: milk.id, patch: { completed: true } }],
      "Completed",
    );
    expect(store.tables.tasks.get(milk.id)).toMatchObject({ completed: true, version: 1 });
    await settled(store);
    expect(store.tables.tasks.get(milk.id)).toMatchObject({ completed: true, version: 2 });
  });

  test("that is refused is rolled back, reported, and can be tried again", async () => {
    const milk = task();
    const store = await open(milk);
    const told = vi.fn();
    store.refusals.listen(told);
    api.refusal = "INTERNAL_SERVER_ERROR";
    store.act([{ noun: "tasks", kind: "trash", ids: [milk.id], at: AT }], "Trashed");
    expect(store.tables.tasks.get(milk.id)?.trashedAt).toBe(AT);
    await settled(store);
    expect(store.tables.tasks.get(milk.id)?.trashedAt).toBeNull();
    api.refusal = undefined;
    told.mock.calls[0]?.[0].retry();
    await settled(store);
    expect(api.tasks.get(milk.id)?.trashedAt).toBe(AT);
  });

  test("of several tasks is done to the existing ones if one was deleted", async () => {
    const [a, b] = [task(), task()];
    const store = await open(a, b);
    api.purge(a.id);
    store.act([{ noun: "tasks", kind: "delete", ids: [a.id, b.id] }], "Deleted");
    await settled(store);
    expect(api.tasks.has(b.id)).toBe(false);
    expect([store.tables.tasks.get(a.id), store.tables.tasks.get(b.id)]).toEqual([null, null]);
  });

  test("is sent after the person has left the tasks page", async () => {
    const [milk, bread] = [task(), task()];
    const store = await open(milk, bread);
    vi.stubGlobal("BroadcastChannel", BroadcastChannel);
    const stop = store.start(ada.id);
    for (const { id } of [milk, bread]) {
      store.act([{ noun: "tasks", kind: "trash", ids: [id], at: AT }], "Trashed");
    }
    stop();
    await settled(store);
    expect([...api.tasks.values()].map(({ trashedAt }) => trashedAt)).toEqual([AT, AT]);
  });

  test("that is refused after the person has left the page is reported when they return", async () => {
    const milk = task();
    const store = await open(milk);
    const before = vi.fn();
    store.refusals.listen(before)();
    api.refusal = "INTERNAL_SERVER_ERROR";
    store.act([{ noun: "tasks", kind: "trash", ids: [milk.id], at: AT }], "Trashed");
    await settled(store);
    const told = vi.fn();
    store.refusals.listen(told);
    expect([before.mock.calls.length, told.mock.calls.length]).toEqual([0, 1]);
  });

  test("is undone and redone", async () => {
    const milk = task({ priority: "LOW" });
    const store = await open(milk);
    store.act([{ noun: "tasks", kind: "set", id: milk.id, patch: { priority: "HIGH" } }], "High");
    store.act([{ noun: "tasks", kind: "trash", ids: [milk.id], at: AT }], "Trashed");
    expect(store.undo()).toBe("Trashed");
    expect(store.undo()).toBe("High");
    expect(store.undo()).toBeNull();
    expect(store.tables.tasks.get(milk.id)).toMatchObject({ priority: "LOW", trashedAt: null });
    expect(store.redo()).toBe("High");
    await settled(store);
    expect(api.tasks.get(milk.id)).toMatchObject({ priority: "HIGH", trashedAt: null });
  });
});

describe("during an outage", () => {
  test("200 edits are queued, then sent in order and applied once, though an answer is lost", async () => {
    const store = await open();
    api.status = "down";
    for (let count = 0; count < 100; count += 1) {
      const id = `task-${count}`;
      const inputs = [{ id, title: `Task ${count}`, position: "a0" }];
      store.act([{ noun: "tasks", kind: "create", inputs, at: AT }], "Added");
      store.act(
        [{ noun: "tasks", kind: "set", id, patch: { completed: count % 2 === 0 } }],
        "Completed",
      );
    }
    await vi.waitFor(() => expect(store.state().syncProblem).not.toBeNull());
    expect(store.state().pendingCount).toBe(200);
    expect(store.tables.tasks.ordered("manual")).toHaveLength(100);
    api.status = "losing";
    await store.tryNow();
    await store.tryNow();
    await settled(store);
    expect([...api.tasks.keys()]).toEqual(Array.from({ length: 100 }, (_, n) => `task-${n}`));
    expect([...api.tasks.values()].filter(({ completed }) => completed)).toHaveLength(50);
    expect(store.state()).toMatchObject({ pendingCount: 0, syncProblem: null });
  });
});

describe("after an outage", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.parse("2026-11-25T12:00:00Z") });
    return () => vi.useRealTimers();
  });

  const complete = (store: TaskStore, { id }: Task) =>
    store.act([{ noun: "tasks", kind: "set", id, patch: { completed: true } }], "Completed");

  test.each([
    ["in seconds", "30"],
    ["until a date", "Wed, 25 Nov 2026 12:00:30 GMT"],
  ])(
    "that asks to wait %s, nothing is sent until then, not even a new edit",
    async (_, retryAfter) => {
      const [milk, bread] = [task(), task()];
      const store = await open(milk, bread);
      api.retryAfter = retryAfter;
      complete(store, milk);
      await vi.advanceTimersByTimeAsync(0);
      expect(store.state().syncProblem).toContain("not ready");
      api.calls.length = 0;
      await vi.advanceTimersByTimeAsync(15_000);
      complete(store, bread);
      window.dispatchEvent(new Event("online"));
      document.dispatchEvent(new Event("visibilitychange"));
      await vi.advanceTimersByTimeAsync(14_000);
      expect(api.calls).toEqual([]);
      api.retryAfter = undefined;
      await vi.advanceTimersByTimeAsync(1_001);
      expect(api.writes()).toEqual(["UpdateTask", "UpdateTask"]);
      expect(store.state()).toMatchObject({ pendingCount: 0, syncProblem: null });
    },
  );

  test("edits are sent when it ends, although the person has left the page", async () => {
    const milk = task();
    const store = await open(milk);
    const stop = store.start(ada.id);
    api.retryAfter = "30";
    complete(store, milk);
    await vi.advanceTimersByTimeAsync(0);
    stop();
    api.retryAfter = undefined;
    await vi.advanceTimersByTimeAsync(30_001);
    expect(store.state().pendingCount).toBe(0);
  });

  test("the person can retry at once", async () => {
    const milk = task();
    const store = await open(milk);
    api.retryAfter = "30";
    complete(store, milk);
    await vi.advanceTimersByTimeAsync(0);
    api.retryAfter = undefined;
    await store.tryNow();
    expect(store.state()).toMatchObject({ pendingCount: 0, syncProblem: null });
  });

  test("without Retry-After, the waits grow to 30 seconds", async () => {
    const milk = task();
    const store = await open(milk);
    api.status = "down";
    complete(store, milk);
    const tries = vi.spyOn(api.client as { mutation: () => unknown }, "mutation");
    await vi.advanceTimersByTimeAsync(1_000 + 2_000 + 4_000 + 8_000 + 16_000 + 30_000);
    expect(tries).toHaveBeenCalledTimes(6);
  });
});

describe("a browser that reports to be offline", () => {
  test("while there is a network still reads changes", async () => {
    vi.useFakeTimers();
    vi.stubGlobal("navigator", { onLine: false });
    const milk = task();
    const store = await open(milk);
    window.dispatchEvent(new Event("offline"));
    expect(store.state().syncProblem).toBe("You are offline.");
    api.tasks.set(milk.id, { ...milk, title: "Oat milk", version: 2 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(store.tables.tasks.get(milk.id)?.title).toBe("Oat milk");
    expect(store.state().syncProblem).toBeNull();
    vi.useRealTimers();
  });
});

describe("a text", () => {
  const write = (id: string, mine: string, base: string): TaskEdit => ({
    noun: "tasks",
    kind: "write",
    id,
    text: { title: mine },
    baseText: { title: base },
  });

  test("is saved if only other fields of the task changed", async () => {
    const milk = task({ title: "Milk" });
    const store = await open(milk);
    api.tasks.set(milk.id, { ...milk, priority: "HIGH", version: 2 });
    store.act([write(milk.id, "Oat milk", "Milk")], "Changed");
    await settled(store);
    expect(api.tasks.get(milk.id)).toMatchObject({ title: "Oat milk", priority: "HIGH" });
    expect(store.state().conflicts).toEqual([]);
  });

  test.each([
    ["mine", "Oat milk"],
    ["theirs", "Soy milk"],
  ] as const)("that conflicts with another text is resolved by keeping %s", async (keep, title) => {
    const milk = task({ title: "Milk" });
    const store = await open(milk);
    api.tasks.set(milk.id, { ...milk, title: "Soy milk", version: 2 });
    store.act([write(milk.id, "Oat milk", "Milk")], "Changed");
    await settled(store);
    expect(api.tasks.get(milk.id)?.title).toBe("Soy milk");
    expect(store.state().conflicts).toMatchObject([
      { mine: { title: "Oat milk" }, theirs: { title: "Soy milk" } },
    ]);
    store.resolveConflict(keep);
    await settled(store);
    expect(api.tasks.get(milk.id)?.title).toBe(title);
    expect(store.state().conflicts).toEqual([]);
    // Undo restores the text that was not chosen, and no text that was never saved.
    store.undo();
    await settled(store);
    expect(api.tasks.get(milk.id)?.title).toBe(keep === "mine" ? "Soy milk" : "Oat milk");
    expect(store.undo()).toBeNull();
  });

  test("that is typed on during a conflict is one conflict with the latest text", async () => {
    const milk = task({ title: "Milk" });
    const store = await open(milk);
    api.tasks.set(milk.id, { ...milk, title: "Soy milk", version: 2 });
    store.act([write(milk.id, "Oat", "Milk")], "Changed");
    store.act([write(milk.id, "Oat milk", "Oat")], "Changed", true);
    await settled(store);
    expect(store.state().conflicts).toMatchObject([{ mine: { title: "Oat milk" } }]);
    store.resolveConflict("theirs");
    expect(store.state().conflicts).toEqual([]);
    store.undo();
    await settled(store);
    expect(api.tasks.get(milk.id)?.title).toBe("Oat milk");
    expect(store.undo()).toBeNull();
  });

  test("that is saved while it is typed is undone in one step", async () => {
    const milk = task({ title: "Milk" });
    const store = await open(milk);
    store.act([write(milk.id, "Oat milk", "Milk")], "Changed");
    store.act([write(milk.id, "Soy", "Oat milk")], "Changed");
    store.act([write(milk.id, "Soy milk", "Soy")], "Changed", true);
    await settled(store);
    store.undo();
    await settled(store);
    expect(api.tasks.get(milk.id)?.title).toBe("Oat milk");
    store.undo();
    await settled(store);
    expect(api.tasks.get(milk.id)?.title).toBe("Milk");
    expect(store.redo()).not.toBeNull();
    expect(store.redo()).not.toBeNull();
    await settled(store);
    expect(api.tasks.get(milk.id)?.title).toBe("Soy milk");
  });
});
