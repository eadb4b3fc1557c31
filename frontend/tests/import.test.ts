import { CombinedError } from "urql";
import { describe, expect, test, vi } from "vitest";
import { toBatches } from "../components/store/batches";
import type { Task } from "../components/tasks/task";
import {
  countOverLimit,
  type KnownTasks,
  planImport,
  runImport,
} from "../components/transfer/import";
import type { ParsedTask } from "../components/transfer/read-file";
import { UnreachableError } from "../lib/reach";
import { task } from "./task";

const FILE = new TextEncoder().encode("title\n…");
const UUID_8 = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const draftsOf = (count: number, ownId: string | null = null): ParsedTask[] =>
  Array.from({ length: count }, (_, at) => ({
    number: at + 2,
    ownId,
    input: { title: `Task ${at}` },
  }));

const unreachable = () => new CombinedError({ networkError: new UnreachableError("away") });
const refused = (code: string) =>
  new CombinedError({ graphQLErrors: [{ message: `${code}, said`, extensions: { code } }] });

/** The API with one person's tasks, and the errors that it returns, in order. */
class Api {
  readonly tasks = new Map<string, Task>();
  readonly calls: string[] = [];
  readonly errors: (CombinedError | null | "lost")[] = [];

  readonly client = {
    mutation: (document: unknown, variables: { inputs?: Task[]; ids?: string[] }) => ({
      toPromise: async () => this.#answer(document, variables),
    }),
  } as never;

  #answer(document: unknown, { inputs = [], ids = [] }: { inputs?: Task[]; ids?: string[] }) {
    const { definitions } = document as { definitions: { name: { value: string } }[] };
    const name = definitions[0]?.name.value ?? "";
    this.calls.push(name);
    const error = this.errors.shift() ?? null;
    if (error !== null && error !== "lost") return { error };
    for (const input of inputs) this.tasks.set(input.id, task(input));
    if (!ids.every((id) => this.tasks.has(id))) return { error: refused("NOT_FOUND") };
    const trashedAt = name === "TrashTasks" ? "2026-11-25T12:00:00Z" : null;
    for (const id of ids) this.tasks.set(id, { ...(this.tasks.get(id) as Task), trashedAt });
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
  planImport(FILE, draftsOf(count), api.tasks as KnownTasks);

describe("a file imported again", () => {
  test("creates no task twice, even without ids", async () => {
    const api = new Api();
    const plan = planFor(api);
    expect(plan.create.map(({ id }) => id).every((id) => UUID_8.test(id))).toBe(true);
    await runImport(api.client, plan, progress());
    expect(planFor(api)).toEqual({ create: [], restore: [], unchanged: 150 });
    expect(api.tasks.size).toBe(150);
  });

  test("creates new tasks if a byte of it changed", () => {
    const ids = (file: Uint8Array) =>
      planImport(file, draftsOf(2), new Map()).create.map(({ id }) => id);
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
    const plan = planImport(FILE, drafts, known);
    expect(plan).toMatchObject({ restore: [trashed.id], unchanged: 1 });
    expect(plan.create).toHaveLength(1);
    expect(plan.create[0]?.id).toMatch(UUID_8);
    // Permanently deleted again, it is created with yet another id.
    const again = planImport(FILE, drafts, new Map([...known, [plan.create[0]?.id ?? "", null]]));
    expect(again.create[0]?.id).not.toBe(plan.create[0]?.id);
  });
});

describe("an import", () => {
  test("of too many tasks is detected before anything is sent", () => {
    const known = new Map(Array.from({ length: 9_990 }, () => task()).map((one) => [one.id, one]));
    const plan = planImport(FILE, draftsOf(12), known);
    expect(countOverLimit(plan, known)).toBe(2);
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
    expect(await work).toHaveLength(150);
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

  test("that can be neither completed nor undone says how to continue", async () => {
    const api = new Api();
    api.errors.push(null, refused("BAD_USER_INPUT"), unreachable());
    const work = runImport(api.client, planFor(api), progress());
    await expect(work).rejects.toThrow("At least 100 of 150 tasks were already imported.");
  });
});
