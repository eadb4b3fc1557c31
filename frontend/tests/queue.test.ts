import { beforeEach, describe, expect, test, vi } from "vitest";
import { migrateEdit } from "../components/store/pending-edits";
import { EditQueue } from "../components/store/queue";
import type { Replica } from "../components/store/replica";
import { RetryTimer } from "../components/store/retry-timer";
import { Table } from "../components/store/table";
import { TASKS, type TaskEdit } from "../components/tasks/noun";
import type { Task } from "../components/tasks/task";
import { AT, FakeApi } from "./fake-api";
import { task } from "./task";

let api: FakeApi;
let replica: Replica<Task>;
let retry: RetryTimer;

const listener = { onOutage: vi.fn(), refresh: vi.fn(), onAnswer: vi.fn() };

const complete = ({ id }: Task): TaskEdit => ({
  noun: "tasks",
  kind: "set",
  id,
  patch: { completed: true },
});

function create(seed: readonly Task[]): EditQueue {
  const tasks = new Table(TASKS, api.client, seed);
  replica = tasks.replica;
  return new EditQueue(api.client, "ada", { tables: { tasks }, retry, ...listener });
}

/** A queue over these tasks, which has taken over the edits of closed tabs. */
async function open(...tasks: Task[]): Promise<EditQueue> {
  for (const one of tasks) api.tasks.set(one.id, one);
  const queue = create(tasks);
  expect(await queue.load()).toEqual([]);
  return queue;
}

beforeEach(() => {
  api = new FakeApi();
  retry = new RetryTimer(() => {});
  vi.clearAllMocks();
  // A browser without locks and IndexedDB.
  vi.stubGlobal("navigator", {});
  return () => {
    retry.stop();
    vi.unstubAllGlobals();
  };
});

test("edits are sent in order, one at a time, and leave the queue when they are answered", async () => {
  const [a, b] = [task(), task()];
  const queue = await open(a, b);
  queue.add(complete(a));
  queue.add({ noun: "tasks", kind: "trash", ids: [b.id], at: AT });
  expect([queue.size, queue.includes("tasks", a.id), queue.includes("tasks", "other")]).toEqual([
    2,
    true,
    false,
  ]);
  await Promise.all([queue.send(), queue.send()]);
  expect(api.writes()).toEqual(["UpdateTask", "TrashTasks"]);
  expect([queue.size, queue.includes("tasks", a.id)]).toEqual([0, false]);
  expect(replica.get(a.id)).toMatchObject({ completed: true, version: 2 });
  expect(listener.onAnswer).toHaveBeenCalledTimes(2);
});

test("pending edits are applied on top of the server's task, in order", async () => {
  const milk = task();
  const queue = await open(milk);
  queue.add(complete(milk));
  queue.add({ noun: "tasks", kind: "trash", ids: [milk.id], at: AT });
  expect(queue.applyTo("tasks", milk.id)).toMatchObject({
    completed: true,
    trashedAt: AT,
    version: 1,
  });
  expect(replica.get(milk.id)).toBe(milk);
  expect(queue.applyTo("tasks", "missing")).toBeNull();
});

test("nothing is sent before the edits of closed tabs are loaded", async () => {
  const milk = task();
  api.tasks.set(milk.id, milk);
  const queue = create([milk]);
  queue.add(complete(milk));
  await queue.send();
  expect(api.writes()).toEqual([]);
  await queue.load();
  await queue.send();
  expect(api.writes()).toEqual(["UpdateTask"]);
});

test("an outage keeps the edits in the queue", async () => {
  const milk = task();
  const queue = await open(milk);
  queue.add(complete(milk));
  api.status = "down";
  await queue.send();
  expect(queue.size).toBe(1);
  expect(listener.onOutage).toHaveBeenCalledOnce();
  expect(listener.onAnswer).not.toHaveBeenCalled();
  api.status = "up";
  await queue.send();
  expect(queue.size).toBe(0);
});

test("nothing is sent while the server asks to wait", async () => {
  const milk = task();
  const queue = await open(milk);
  queue.add(complete(milk));
  retry.pause(30_000);
  await queue.send();
  expect(api.writes()).toEqual([]);
  retry.resume();
  await queue.send();
  expect(queue.size).toBe(0);
});

test("a refused edit leaves the queue with its error, and the next one is sent", async () => {
  const [a, b] = [task(), task()];
  const queue = await open(a, b);
  queue.add(complete(a));
  queue.add(complete(b));
  api.refusal = "INTERNAL_SERVER_ERROR";
  await queue.send();
  expect(queue.size).toBe(0);
  expect(listener.onAnswer.mock.calls.map(([, { error }]) => error !== undefined)).toEqual([
    true,
    true,
  ]);
});

test("a missing task is looked for before its edit is given up", async () => {
  const milk = task();
  const queue = await open(milk);
  api.purge(milk.id);
  listener.refresh.mockImplementation(() => expect(queue.size).toBe(1));
  queue.add(complete(milk));
  await queue.send();
  expect(listener.refresh).toHaveBeenCalledOnce();
  expect(queue.size).toBe(0);
});

test("an edit stays in the queue when the session is over", async () => {
  const milk = task();
  const queue = await open(milk);
  queue.add(complete(milk));
  api.refusal = "UNAUTHENTICATED";
  await queue.send();
  expect(queue.size).toBe(1);
  expect(listener.onOutage).not.toHaveBeenCalled();
});

describe("a text edit", () => {
  const write = (id: string, title: string, base: string): TaskEdit => ({
    noun: "tasks",
    kind: "write",
    id,
    text: { title },
    baseText: { title: base },
  });

  test("whose text was changed on the server is a conflict and writes nothing", async () => {
    const milk = task({ title: "Milk" });
    const queue = await open(milk);
    const theirs = { ...milk, title: "Soy milk", version: 2 };
    api.tasks.set(milk.id, theirs);
    queue.add(write(milk.id, "Oat milk", "Milk"));
    await queue.send();
    expect(listener.onAnswer.mock.calls[0]?.[1]).toEqual({ rows: [], conflict: theirs });
    expect(api.tasks.get(milk.id)).toBe(theirs);
  });

  test("whose answer was lost is not sent again", async () => {
    const milk = task({ title: "Milk" });
    const queue = await open(milk);
    queue.add(write(milk.id, "Oat milk", "Milk"));
    api.status = "losing";
    await queue.send();
    await replica.pull();
    api.calls.length = 0;
    await queue.send();
    expect([queue.size, api.calls.length]).toEqual([0, 0]);
  });
});

test("an edit that an older version of the app stored is read", () => {
  const text = { title: "Oat milk" };
  const old = { kind: "write", id: "a", text, over: { title: "Milk" } } as never;
  expect(migrateEdit(old)).toEqual({
    noun: "tasks",
    kind: "write",
    id: "a",
    text,
    baseText: { title: "Milk" },
  });
  const restore: TaskEdit = { noun: "tasks", kind: "restore", ids: ["a"] };
  expect(migrateEdit(restore)).toEqual(restore);
});
