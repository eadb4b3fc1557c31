import { beforeEach, describe, expect, test, vi } from "vitest";
import {
  createProject,
  deleteProject,
  moveProject,
  restoreProject,
  trashProject,
} from "../components/projects/edits";
import type { ProjectEdit } from "../components/projects/noun";
import type { Project } from "../components/projects/project";
import { type AppStore, openStore, type Seed } from "../components/tasks/app-store";
import type { TaskEdit } from "../components/tasks/noun";
import { AT, FakeApi } from "./fake-api";
import { ada } from "./person";
import { project } from "./project";
import { task } from "./task";

let api: FakeApi;

async function open({ tasks = [], projects = [] }: Partial<Seed>): Promise<AppStore> {
  for (const one of tasks) api.tasks.set(one.id, one);
  for (const one of projects) api.projects.set(one.id, one);
  const store = openStore(api.client, ada, { tasks, projects }, null);
  store.start(ada.id);
  await vi.waitFor(() => expect(store.state().isComplete).toBe(true));
  return store;
}

const settled = (store: AppStore) => vi.waitFor(() => expect(store.state().pendingCount).toBe(0));

async function goOnline(store: AppStore): Promise<void> {
  // The edit that was sent into the outage has failed.
  await vi.waitFor(() => expect(store.state().syncProblem).not.toBeNull());
  api.status = "up";
  await store.tryNow();
  await settled(store);
}

const addTask = (id: string, projectId: string | null): TaskEdit => ({
  noun: "tasks",
  kind: "create",
  inputs: [{ id, title: "Milk", position: "a0", projectId }],
  at: AT,
});

const moveTo = (ids: string[], projectId: string | null): TaskEdit => ({
  noun: "tasks",
  kind: "set-many",
  ids,
  patch: { projectId },
  at: AT,
});

const set = ({ id }: Project, patch: (ProjectEdit & { kind: "set" })["patch"]): ProjectEdit => ({
  noun: "projects",
  kind: "set",
  id,
  patch,
});

beforeEach(() => {
  api = new FakeApi();
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("BroadcastChannel", undefined);
  return () => vi.unstubAllGlobals();
});

describe("a project", () => {
  test("is created after the others, and undone", async () => {
    const home = project();
    const store = await open({ projects: [home] });
    const edit = createProject(store, { id: "work", name: "Work", color: "BLUE" }, AT);
    store.act([edit], "Created");
    expect(store.tables.projects.ordered("manual").map(({ id }) => id)).toEqual([home.id, "work"]);
    await settled(store);
    expect(api.projects.get("work")).toMatchObject({ name: "Work", color: "BLUE" });
    store.undo();
    await settled(store);
    expect(api.projects.get("work")?.trashedAt).toBe(AT);
  });

  test.each([
    ["recolored", { color: "PINK" }, { color: "PINK" }],
    ["archived", { archived: true }, { archivedAt: expect.any(String) }],
  ] as const)("is %s, and undone", async (_, patch, expected) => {
    const home = project();
    const store = await open({ projects: [home] });
    store.act([set(home, patch)], "Changed");
    expect(store.tables.projects.get(home.id)).toMatchObject(expected);
    await settled(store);
    expect(api.projects.get(home.id)).toMatchObject(expected);
    store.undo();
    await settled(store);
    const { color, archivedAt } = api.projects.get(home.id) ?? {};
    expect({ color, archivedAt }).toEqual({ color: "GRAY", archivedAt: null });
  });

  test("is moved next to another one, and undone", async () => {
    const [a, b, c] = [project(), project(), project()];
    const store = await open({ projects: [a, b, c] });
    const order = () => store.tables.projects.ordered("manual").map(({ id }) => id);
    store.act([moveProject(store, c, "before", a)], "Moved");
    expect(order()).toEqual([c.id, a.id, b.id]);
    store.act([moveProject(store, c, "after", b)], "Moved");
    expect(order()).toEqual([a.id, b.id, c.id]);
    store.undo();
    expect(order()).toEqual([c.id, a.id, b.id]);
    await settled(store);
    expect(order()).toEqual([c.id, a.id, b.id]);
  });

  test("that was renamed here and elsewhere is a conflict, and the person chooses a name", async () => {
    const home = project({ name: "Home" });
    const store = await open({ projects: [home] });
    api.projects.set(home.id, { ...home, name: "House", version: 2 });
    const { id } = home;
    const text = { name: "Flat" };
    const edit: ProjectEdit = {
      noun: "projects",
      kind: "write",
      id,
      text,
      baseText: { name: "Home" },
    };
    store.act([edit], "Renamed");
    await settled(store);
    expect(store.state().conflicts).toMatchObject([
      { noun: "projects", mine: { name: "Flat" }, theirs: { name: "House" } },
    ]);
    store.resolveConflict("mine");
    await settled(store);
    expect(api.projects.get(id)?.name).toBe("Flat");
    store.undo();
    await settled(store);
    expect(api.projects.get(id)?.name).toBe("House");
  });
});

describe("the tasks of a project", () => {
  test("are trashed and restored with it, except those that were in the trash before", async () => {
    const home = project();
    const inHome = { project: { id: home.id } };
    const [milk, old, other] = [
      task(inHome),
      task({ ...inHome, trashedAt: "2026-11-20T12:00:00Z" }),
      task(),
    ];
    const store = await open({ tasks: [milk, old, other], projects: [home] });
    const trashed = () => [milk, old, other].map(({ id }) => store.tables.tasks.get(id)?.trashedAt);
    store.act([trashProject(store, home, AT)], "Trashed");
    expect(trashed()).toEqual([AT, old.trashedAt, null]);
    expect(store.isPending("tasks", milk.id)).toBe(true);
    await settled(store);
    expect(trashed()).toEqual([AT, old.trashedAt, null]);
    expect(api.writes()).toEqual(["TrashProjects"]);

    const now = store.tables.projects.get(home.id);
    store.act(now ? [restoreProject(store, now)] : [], "Restored");
    expect(trashed()).toEqual([null, old.trashedAt, null]);
    await settled(store);
    store.undo();
    expect(trashed().map(Boolean)).toEqual([true, true, false]);
    await settled(store);
    store.undo();
    expect(trashed()).toEqual([null, old.trashedAt, null]);
    await settled(store);
    expect(api.tasks.get(milk.id)?.trashedAt).toBeNull();
  });

  test("are deleted with it", async () => {
    const home = project();
    const milk = task({ project: { id: home.id } });
    const store = await open({ tasks: [milk], projects: [home] });
    store.act([deleteProject(store, home)], "Deleted");
    expect(store.tables.tasks.get(milk.id)).toBeNull();
    await settled(store);
    expect([store.tables.tasks.get(milk.id), store.tables.projects.get(home.id)]).toEqual([
      null,
      null,
    ]);
    expect(api.tasks.size).toBe(0);
  });

  test("stay in their lists if the server refuses to trash the project", async () => {
    const home = project();
    const milk = task({ project: { id: home.id } });
    const store = await open({ tasks: [milk], projects: [home] });
    api.refusal = "INTERNAL_SERVER_ERROR";
    store.act([trashProject(store, home, AT)], "Trashed");
    await settled(store);
    expect(store.tables.tasks.get(milk.id)?.trashedAt).toBeNull();
    expect(store.tables.projects.get(home.id)?.trashedAt).toBeNull();
  });

  test("are moved to another project, and each is moved back to its own", async () => {
    const [home, work] = [project(), project()];
    const tasks = [task({ project: { id: home.id } }), task()];
    const ids = tasks.map(({ id }) => id);
    const store = await open({ tasks, projects: [home, work] });
    store.act([moveTo(ids, work.id)], "Moved");
    await settled(store);
    const projects = () => ids.map((id) => api.tasks.get(id)?.project?.id ?? null);
    expect(projects()).toEqual([work.id, work.id]);
    store.undo();
    await settled(store);
    expect(projects()).toEqual([home.id, null]);
  });
});

describe("edits that were made offline", () => {
  test("are sent in order, a project before the tasks in it", async () => {
    const store = await open({});
    api.status = "down";
    store.act([createProject(store, { id: "home", name: "Home", color: "RED" }, AT)], "Created");
    store.act([addTask("milk", "home")], "Added");
    store.act([moveTo(["milk"], null)], "Moved");
    expect(store.state().pendingCount).toBe(3);
    await goOnline(store);
    expect(api.writes()).toEqual(["CreateProjects", "CreateTasks", "UpdateTasks"]);
    expect(api.tasks.get("milk")?.project).toBeNull();
  });

  test("keep a task whose project was deleted meanwhile, and the later edits of the task", async () => {
    const home = project();
    const store = await open({ projects: [home] });
    const told = vi.fn();
    store.refusals.listen(told);
    api.status = "down";
    store.act([addTask("milk", home.id)], "Added");
    store.act([{ noun: "tasks", kind: "set", id: "milk", patch: { completed: true } }], "Done");
    api.purge(home.id);
    await goOnline(store);
    expect(api.tasks.get("milk")).toMatchObject({ project: null, completed: true });
    expect(told.mock.calls).toMatchObject([
      [{ message: "The project no longer exists. The task was added without a project." }],
    ]);
  });

  test("do not move a task into a project that was trashed meanwhile", async () => {
    const home = project();
    const milk = task();
    const store = await open({ tasks: [milk], projects: [home] });
    const told = vi.fn();
    store.refusals.listen(told);
    api.projects.set(home.id, { ...home, trashedAt: AT, version: 2 });
    store.act([moveTo([milk.id], home.id)], "Moved");
    await settled(store);
    expect(store.tables.tasks.get(milk.id)?.project).toBeNull();
    expect(told.mock.calls).toEqual([[{ message: "The project no longer exists." }]]);
  });
});
