import { CombinedError } from "urql";
import type { Task } from "../components/tasks/task";
import { UnreachableError } from "../lib/reach";
import { task } from "./task";

type Variables = Record<string, unknown> & { ids?: string[]; id?: string };
type Call = { name: string; variables: Variables };

/** The time of all edits. */
export const AT = "2026-11-25T13:00:00Z";

/** The API with one person's tasks, as the web app sees it. */
export class FakeApi {
  readonly tasks = new Map<string, Task>();
  readonly purged: string[] = [];
  readonly calls: Call[] = [];
  /** `losing` does the next mutation, but its answer is lost. */
  status: "up" | "down" | "losing" = "up";
  /** The error code of every mutation. */
  refusal: string | undefined;
  /** Every mutation is answered with 503 and this `Retry-After`. */
  retryAfter: string | undefined;
  /** The number of changes on one page. */
  pageSize = 100;
  /** A cursor that is too old. */
  expiredCursor: string | undefined;

  readonly client = {
    query: (document: unknown, variables: Variables) => ({
      toPromise: async () => this.#answer(document, variables),
    }),
    mutation: (document: unknown, variables: Variables) => ({
      toPromise: async () => this.#answer(document, variables),
    }),
  } as never;

  /** The names of the requests that are no polls, in order. */
  writes(): string[] {
    return this.calls.map(({ name }) => name).filter((name) => name !== "TaskChanges");
  }

  purge(id: string): void {
    this.tasks.delete(id);
    this.purged.push(id);
  }

  #answer(document: unknown, variables: Variables) {
    const { definitions } = document as { definitions: { name: { value: string } }[] };
    const name = definitions[0]?.name.value ?? "";
    if (this.status === "down")
      return { error: new CombinedError({ networkError: new UnreachableError("away") }) };
    this.calls.push({ name, variables });
    if (this.retryAfter && name !== "TaskChanges") {
      const headers = { "Retry-After": this.retryAfter };
      const response = new Response(null, { status: 503, headers });
      const graphQLErrors = [{ message: "no", extensions: { code: "UNAVAILABLE" } }];
      return { error: new CombinedError({ graphQLErrors, response }) };
    }
    if (this.refusal && name !== "TaskChanges") return this.#refuse(this.refusal);
    const data = this.#run(name, variables);
    if (this.status === "losing" && name !== "TaskChanges") {
      this.status = "up";
      return { error: new CombinedError({ networkError: new UnreachableError("away") }) };
    }
    return data;
  }

  #refuse(code: string, details: Record<string, string> = {}) {
    const graphQLErrors = [{ message: code, extensions: { code, ...details } }];
    return { error: new CombinedError({ graphQLErrors }) };
  }

  #run(name: string, variables: Variables) {
    if (name === "TaskChanges") return this.#changes(variables.after as string | null);
    if (name === "CreateTasks") return this.#create(variables.inputs as Task[]);
    const ids = variables.ids ?? [String(variables.id)];
    if (!ids.every((id) => this.tasks.has(id))) return this.#refuse("NOT_FOUND");
    const found = ids.map((id) => this.tasks.get(id) as Task);
    if (name === "Task") return { data: { row: found[0] } };
    if (name === "DeleteTasks") {
      for (const id of ids) this.purge(id);
      return { data: { saved: { deletedIds: ids } } };
    }
    const { expectedVersion } = variables;
    if (typeof expectedVersion === "number" && found[0]?.version !== expectedVersion) {
      return this.#refuse("CONFLICT");
    }
    return this.#update(name, found, (variables.patch ?? {}) as Partial<Task>);
  }

  #changes(after: string | null) {
    if (after !== null && after === this.expiredCursor) {
      return this.#refuse("BAD_USER_INPUT", { reason: "CURSOR_EXPIRED" });
    }
    const saved = [...this.tasks.values()].map((one) => ({ id: one.id, row: one }));
    const all = [...saved, ...this.purged.map((id) => ({ id, row: null }))];
    // Each read has all changes, as if they were made just now. Within one, the cursor counts pages.
    const start = Number(after) || 0;
    const nodes = all.slice(start, start + this.pageSize);
    const hasNextPage = start + this.pageSize < all.length;
    const endCursor = hasNextPage ? String(start + this.pageSize) : "cursor";
    return { data: { changes: { nodes, pageInfo: { hasNextPage, endCursor } } } };
  }

  #create(inputs: Task[]) {
    for (const input of inputs) {
      if (!this.tasks.has(input.id)) this.tasks.set(input.id, task(input));
    }
    return { data: { saved: { rows: inputs.map(({ id }) => this.tasks.get(id)) } } };
  }

  #update(name: string, found: Task[], patch: Partial<Task>) {
    const trashedAt = name === "TrashTasks" ? AT : null;
    const next = found.map((one) => ({ ...one, ...patch, trashedAt, version: one.version + 1 }));
    for (const one of next) this.tasks.set(one.id, one);
    return { data: { saved: name === "UpdateTask" ? { row: next[0] } : { rows: next } } };
  }
}
