import { CombinedError } from "urql";
import { beforeEach, expect, test } from "vitest";
import { Replica } from "../components/store/replica";
import type { Task } from "../components/tasks/task";
import { TaskChangesDocument } from "../gql/graphql";
import { FakeApi } from "./fake-api";
import { task } from "./task";

let api: FakeApi;

const replicaOf = (...seed: Task[]) => new Replica<Task>(api.client, TaskChangesDocument, seed);

beforeEach(() => {
  api = new FakeApi();
});

test("a pull returns the ids of all tasks that were created, changed or deleted", async () => {
  const [kept, deleted, created] = [task(), task(), task()];
  const replica = replicaOf(kept, deleted);
  api.tasks.set(kept.id, { ...kept, title: "Changed", version: 2 });
  api.tasks.set(created.id, created);
  api.purge(deleted.id);
  const ids = new Set([kept.id, created.id, deleted.id]);
  expect(await replica.pull()).toMatchObject({ isComplete: true, ids });
  expect(replica.get(kept.id)?.title).toBe("Changed");
  expect(replica.get(created.id)).toEqual(created);
  expect(replica.has(deleted.id)).toBe(false);
});

test("the first pull deletes the tasks that the server no longer knows", async () => {
  const expired = task();
  const replica = replicaOf(expired);
  expect(await replica.pull()).toMatchObject({
    isComplete: true,
    ids: new Set([expired.id]),
  });
  expect(replica.has(expired.id)).toBe(false);
});

test("a later pull starts at the cursor and deletes nothing that it does not mention", async () => {
  const [old, recent] = [task(), task()];
  api.tasks.set(old.id, old);
  const replica = replicaOf();
  await replica.pull();
  api.tasks.delete(old.id);
  api.tasks.set(recent.id, recent);
  await replica.pull();
  expect(api.calls.map(({ variables }) => variables.after)).toEqual([null, "cursor"]);
  expect([replica.has(old.id), replica.has(recent.id)]).toEqual([true, true]);
});

test("a pull reads every page", async () => {
  const tasks = [task(), task(), task()];
  for (const one of tasks) api.tasks.set(one.id, one);
  api.pageSize = 1;
  const replica = replicaOf();
  await replica.pull();
  expect(tasks.every(({ id }) => replica.has(id))).toBe(true);
  expect(api.calls).toHaveLength(3);
});

test("an older version of a task is ignored, and so is one of a deleted task", () => {
  const one = task({ version: 3, title: "New" });
  const replica = replicaOf(one);
  replica.put([{ ...one, version: 2, title: "Old" }]);
  expect(replica.get(one.id)?.title).toBe("New");
  replica.delete(one.id);
  replica.put([{ ...one, version: 4 }]);
  expect(replica.get(one.id)).toBeNull();
});

test("an outage is reported, and the next pull goes on from the same cursor", async () => {
  const replica = replicaOf();
  await replica.pull();
  api.status = "down";
  const result = await replica.pull();
  expect(!result.isComplete && result.error).toBeInstanceOf(CombinedError);
  api.status = "up";
  await replica.pull();
  expect(api.calls.map(({ variables }) => variables.after)).toEqual([null, "cursor"]);
});

test("after an expired cursor the next pull reads all tasks", async () => {
  const replica = replicaOf();
  await replica.pull();
  api.expiredCursor = "cursor";
  expect(await replica.pull()).toEqual({ isComplete: false, error: undefined });
  await replica.pull();
  expect(api.calls.at(-1)?.variables.after).toBeNull();
});
