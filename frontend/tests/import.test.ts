import { CombinedError } from "urql";
import { describe, expect, test, vi } from "vitest";
import type { Project } from "../components/projects/project";
import { toBatches } from "../components/store/batches";
import type { Task } from "../components/tasks/task";
import {
  countOverLimit,
  type Known,
  planImport,
  runImport,
  undoImport,
} from "../components/transfer/import";
import type { ParsedProject, ParsedTask } from "../components/transfer/read-file";
import { UnreachableError } from "../lib/reach";
import { project } from "./project";
import { task } from "./task";

const FILE = new TextEncoder().encode("title\n…");
const UUID_8 = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const knownOf = (
  tasks: ReadonlyMap<string, Task | null>,
  projects: ReadonlyMap<string, Project | null> = new Map(),
): Known => ({ tasks, projects });

const fileOf = (tasks: ParsedTask[], projects: ParsedProject[] = []) => ({ tasks, projects });

const draftsOf = (count: number, ownId: string | null = null): ParsedTask[] =>
  Array.from({ length: count }, (_, at) => ({
    number: at + 2,
    ownId,
    input: { title: `Task ${at}` },
    project: null,
  }));

const unreachable = () => new CombinedError({ networkError: new UnreachableError("away") });
const refused = (code: string) =>
  new CombinedError({ graphQLErrors: [{ message: `${code}, said`, extensions: { code } }] });

/** The API with one person's tasks, and the errors that it returns, in order. */
class Api {
  readonly tasks = new Map<string, Task>();
  readonly projects = new Map<string, Project>();
  readonly calls: string[] = [];
  readonly errors: (CombinedError | null | "lost")[] = [];

  readonly client = {
    mutation: (document: unknown, variables: { inputs?: never[]; ids?: string[] }) => ({
      toPromise: async () => this.#answer(document, variables),
    }),
  } as never;

  #answer(document: unknown, { inputs = [], ids = [] }: { inputs?: never[]; ids?: string[] }) {
    const { definitions } = document as { definitions: { name: { value: string } }[] };
    const name = definitions[0]?.name.value ?? "";
    this.calls.push(name);
    const error = this.errors.shift() ?? null;
    if (error !== null && error !== "lost") return { error };
    const rows: Map<string, Task | Project> = name.endsWith("Projects")
      ? this.projects
      : this.tasks;
    const make: (values: never) => Task | Project = rows === this.projects ? project : task;
    for (const input of inputs) rows.set((input as Task).id, make(input));
    if (!ids.every((id) => rows.has(id))) return { error: refused("NOT_FOUND") };
    const trashedAt = name.startsWith("Trash") ? "2026-11-25T12:00:00Z" : null;
    for (const id of ids) rows.set(id, { ...(rows.get(id) as Task), trashedAt });
    return error === "lost" ? { error: unreachable() } : {};
  }

  kept(): number {
    return [...this.tasks.values()].filter(({ trashedAt }) => trashedAt === null).length;
  }
}

const progress = (signal = new AbortController().signal) => ({
  onProgress: vi.fn(),
  onOutage: vi.fn(),
  signal,
});

const planFor = (api: Api, count = 150) =>
  planImport(FILE, fileOf(draftsOf(count)), knownOf(api.tasks, api.projects));

describe("a file imported again", () => {
  test("creates no task twice, even without ids", async () => {
    const api = new Api();
    const plan = planFor(api);
    expect(plan.create.map(({ id }) => id).every((id) => UUID_8.test(id))).toBe(true);
    await runImport(api.client, plan, progress());
    expect(planFor(api)).toEqual({
      create: [],
      restore: [],
      unchanged: 150,
      projects: [],
    });
    expect(api.tasks.size).toBe(150);
  });

  test("creates new tasks if a byte of it changed", () => {
    const ids = (file: Uint8Array) =>
      planImport(file, fileOf(draftsOf(2)), knownOf(new Map())).create.map(({ id }) => id);
    const [first, second] = ids(FILE);
    expect(first).not.toBe(second);
    expect(ids(FILE.slice(1))).not.toContain(first);
  });

  test("restores tasks from the trash, and creates permanently deleted ones again", () => {
    const [there, trashed, deleted] = [task(), task({ trashedAt: "2026-11-25T12:00:00Z" }), task()];
    const known = new Map<string, Task | null>([
      [there.id, there],
      [trashed.id, trashed],
      [deleted.id, null],
    ]);
    const drafts = [there, trashed, deleted].flatMap(({ id }) => draftsOf(1, id));
    const plan = planImport(FILE, fileOf(drafts), knownOf(known));
    expect(plan).toMatchObject({ restore: [trashed.id], unchanged: 1 });
    expect(plan.create).toHaveLength(1);
    expect(plan.create[0]?.id).toMatch(UUID_8);
    // Permanently deleted again, it is created with yet another id.
    const again = planImport(
      FILE,
      fileOf(drafts),
      knownOf(new Map([...known, [plan.create[0]?.id ?? "", null]])),
    );
    expect(again.create[0]?.id).not.toBe(plan.create[0]?.id);
  });
});

describe("an import", () => {
  test("of too many tasks is detected before anything is sent", () => {
    const known = new Map(Array.from({ length: 9_990 }, () => task()).map((one) => [one.id, one]));
    const plan = planImport(FILE, fileOf(draftsOf(12)), knownOf(known));
    expect(countOverLimit(plan, knownOf(known)).tasks).toBe(2);
  });

  test("is divided into requests of at most 100 tasks and half a megabyte", () => {
    const large = Array.from({ length: 30 }, () => ({ description: "🧹".repeat(10_000) }));
    const sizes = toBatches(large).map((batch) => JSON.stringify(batch).length);
    expect(Math.max(...sizes)).toBeLessThan(512 * 1024);
    expect(toBatches(large).flat()).toEqual(large);
    expect(toBatches(draftsOf(150)).map((batch) => batch.length)).toEqual([100, 50]);
  });

  test("that the server refuses in the middle leaves no tasks", async () => {
    const api = new Api();
    api.errors.push(null, refused("BAD_USER_INPUT"));
    const work = runImport(api.client, planFor(api), progress());
    await expect(work).rejects.toThrow("Nothing was imported. BAD_USER_INPUT, said");
    expect(api.kept()).toBe(0);
    // A second import completes it.
    await runImport(api.client, planFor(api), progress());
    expect([api.kept(), api.tasks.size]).toEqual([150, 150]);
  });

  test("waits during an outage, respects Retry-After, and continues", async () => {
    vi.useFakeTimers();
    const api = new Api();
    const response = new Response(null, { status: 503, headers: { "Retry-After": "30" } });
    const graphQLErrors = [{ message: "no", extensions: { code: "UNAVAILABLE" } }];
    api.errors.push(null, new CombinedError({ graphQLErrors, response }));
    const told = progress();
    const work = runImport(api.client, planFor(api), told);
    await vi.advanceTimersByTimeAsync(29_999);
    expect(told.onOutage).toHaveBeenLastCalledWith(expect.stringContaining("not ready"));
    expect(api.calls).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect((await work).tasks).toHaveLength(150);
    expect(told.onProgress.mock.calls).toEqual([[100 / 150], [1]]);
    vi.useRealTimers();
  });

  test("that is cancelled leaves no tasks, not even of a request whose response was lost", async () => {
    const api = new Api();
    const controller = new AbortController();
    api.errors.push(null, "lost");
    const told = progress(controller.signal);
    told.onOutage.mockImplementation((trouble) => trouble && controller.abort());
    const work = runImport(api.client, planFor(api), told);
    await expect(work).rejects.toThrow("Nothing was imported.");
    expect([api.tasks.size, api.kept()]).toEqual([150, 0]);
  });

  test("that is cancelled during a request does not wait for the pause that the server asks for", async () => {
    const api = new Api();
    const controller = new AbortController();
    const response = new Response(null, { status: 503, headers: { "Retry-After": "3600" } });
    const graphQLErrors = [{ message: "no", extensions: { code: "UNAVAILABLE" } }];
    api.errors.push(new CombinedError({ graphQLErrors, response }));
    const told = progress(controller.signal);
    // The signal is aborted before the wait begins, as it is during a request.
    told.onOutage.mockImplementation((trouble) => trouble && controller.abort());
    await expect(runImport(api.client, planFor(api), told)).rejects.toThrow(
      "Nothing was imported.",
    );
  });

  test("that can be neither completed nor undone says how to continue", async () => {
    const api = new Api();
    api.errors.push(null, refused("BAD_USER_INPUT"), unreachable());
    const work = runImport(api.client, planFor(api), progress());
    await expect(work).rejects.toThrow("At least 100 of 150 tasks were already imported.");
  });
});

describe("the projects of a file", () => {
  const inProject = (name: string | null, number: number): ParsedTask => ({
    number,
    ownId: null,
    input: { title: "Milk" },
    project: name,
  });
  const FILE_OF_TWO = fileOf(
    [inProject("Home", 2), inProject("HOME", 3), inProject("Work", 4), inProject(null, 5)],
    [{ name: "Work", color: "RED", archived: false }],
  );
  const plan = (known: Known) => planImport(FILE, FILE_OF_TWO, known);

  test("are created once, and not again with the same file", async () => {
    const api = new Api();
    const first = plan(knownOf(api.tasks, api.projects));
    expect(first.projects).toMatchObject([{ name: "Work", color: "RED" }, { name: "Home" }]);
    const [work, home] = first.projects.map(({ id }) => id);
    expect(first.create.map(({ projectId }) => projectId)).toEqual([home, home, work, undefined]);
    await runImport(api.client, first, progress());
    expect(api.calls).toEqual(["CreateProjects", "CreateTasks"]);
    const again = plan(knownOf(api.tasks, api.projects));
    expect(again).toEqual({ create: [], restore: [], unchanged: 4, projects: [] });
  });

  test("use existing projects with the same name, and prefer an active one", () => {
    const archived = project({ name: "home", archivedAt: "2026-11-25T12:00:00Z" });
    const [active, trashed] = [
      project({ name: "Home" }),
      project({ name: "Work", trashedAt: "2026-11-25T12:00:00Z" }),
    ];
    const projects = new Map([archived, active, trashed].map((one) => [one.id, one]));
    const { create, projects: missing } = plan(knownOf(new Map(), projects));
    expect(missing).toMatchObject([{ name: "Work" }]);
    const ids = create.map(({ projectId }) => projectId);
    expect(ids).toEqual([active.id, active.id, missing[0]?.id, undefined]);
  });

  test("get another id if a project with their id was permanently deleted", () => {
    const [deleted] = plan(knownOf(new Map())).projects;
    const again = plan(knownOf(new Map(), new Map([[deleted?.id ?? "", null]])));
    expect(again.projects.map(({ name }) => name)).toEqual(["Work", "Home"]);
    expect(again.projects.map(({ id }) => id)).not.toContain(deleted?.id);
  });

  test("over the limit are rejected before anything is sent", () => {
    const projects = new Map(
      Array.from({ length: 499 }, () => project()).map((one) => [one.id, one]),
    );
    const known = knownOf(new Map(), projects);
    expect(countOverLimit(plan(known), known)).toEqual({ tasks: 0, projects: 1 });
  });

  test("go to the trash with the tasks when the import is refused or undone", async () => {
    const api = new Api();
    api.errors.push(null, refused("BAD_USER_INPUT"));
    const first = plan(knownOf(api.tasks, api.projects));
    await expect(runImport(api.client, first, progress())).rejects.toThrow("Nothing was imported.");
    expect([...api.projects.values()].every(({ trashedAt }) => trashedAt !== null)).toBe(true);
    const second = plan(knownOf(api.tasks, api.projects));
    const imported = await runImport(api.client, second, progress());
    expect([imported.tasks.length, imported.projects.length]).toEqual([4, 2]);
    expect(await undoImport(api.client, imported)).toBeNull();
    expect([...api.projects.values()].every(({ trashedAt }) => trashedAt !== null)).toBe(true);
    expect(api.kept()).toBe(0);
  });
});
