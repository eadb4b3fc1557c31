import { CombinedError } from "urql";
import type { Project } from "../components/projects/project";
import type { Task } from "../components/tasks/task";
import { UnreachableError } from "../lib/reach";
import { project } from "./project";
import { task } from "./task";

type Patch = { projectId?: string | null; archived?: boolean };
type Input = Patch & { id: string };
type Variables = Record<string, unknown> & {
  ids?: string[];
  id?: string;
  inputs?: Input[];
  patch?: Patch;
};
type Call = { name: string; variables: Variables };
type Row = Task | Project;

/** The time of all edits. */
export const AT = "2026-11-25T13:00:00Z";

const isPoll = (name: string) => name.endsWith("Changes");

/** Return an input or a patch as fields of a row. */
function fieldsOf({ projectId, archived, ...fields }: Patch): Partial<Row> {
  return {
    ...fields,
    ...(projectId !== undefined && { project: projectId === null ? null : { id: projectId } }),
    ...(archived !== undefined && { archivedAt: archived ? AT : null }),
  };
}

/** The API with one person's tasks and projects, as the web app sees it. */
export class FakeApi {
  readonly tasks = new Map<string, Task>();
  readonly projects = new Map<string, Project>();
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
    return this.calls.map(({ name }) => name).filter((name) => !isPoll(name));
  }

  purge(id: string): void {
    this.tasks.delete(id);
    this.projects.delete(id);
    this.purged.push(id);
  }

  #answer(document: unknown, variables: Variables) {
    const { definitions } = document as { definitions: { name: { value: string } }[] };
    const name = definitions[0]?.name.value ?? "";
    if (this.status === "down")
      return { error: new CombinedError({ networkError: new UnreachableError("away") }) };
    this.calls.push({ name, variables });
    if (this.retryAfter && !isPoll(name)) {
      const headers = { "Retry-After": this.retryAfter };
      const response = new Response(null, { status: 503, headers });
      const graphQLErrors = [{ message: "no", extensions: { code: "UNAVAILABLE" } }];
      return { error: new CombinedError({ graphQLErrors, response }) };
    }
    if (this.refusal && !isPoll(name)) return this.#refuse(this.refusal);
    const data = this.#run(name, variables);
    if (this.status === "losing" && !isPoll(name)) {
      this.status = "up";
      return { error: new CombinedError({ networkError: new UnreachableError("away") }) };
    }
    return data;
  }

  #refuse(code: string, details: Record<string, string> = {}) {
    const graphQLErrors = [{ message: code, extensions: { code, ...details } }];
    return { error: new CombinedError({ graphQLErrors }) };
  }

  /** Whether a task may refer to a project. */
  #has(projectId: string | null | undefined): boolean {
    return !projectId || this.projects.get(projectId)?.trashedAt === null;
  }

  #run(name: string, variables: Variables) {
    const rows: Map<string, Row> = name.includes("Project") ? this.projects : this.tasks;
    if (isPoll(name)) return this.#changes(rows, variables.after as string | null);
    const { inputs, patch = {}, ids = [String(variables.id)] } = variables;
    const references = [...(inputs ?? []), patch].map(({ projectId }) => projectId);
    if (!references.every((id) => this.#has(id))) return this.#refuse("NOT_FOUND");
    if (inputs) return this.#create(name, rows, inputs);
    const found = ids.map((id) => rows.get(id)).filter((row) => row !== undefined);
    if (found.length < ids.length) return this.#refuse("NOT_FOUND");
    if (name === "Task" || name === "Project") return { data: { row: found[0] } };
    if (name.startsWith("Delete")) {
      for (const id of [...ids, ...this.#tasksIn(ids).map((one) => one.id)]) this.purge(id);
      return { data: { saved: { deletedIds: ids } } };
    }
    const { expectedVersion } = variables;
    if (typeof expectedVersion === "number" && found[0]?.version !== expectedVersion) {
      return this.#refuse("CONFLICT");
    }
    return this.#update(name, rows, found, patch);
  }

  #tasksIn(projectIds: string[]): Task[] {
    return [...this.tasks.values()].filter((one) => projectIds.includes(one.project?.id ?? ""));
  }

  #changes(rows: Map<string, Row>, after: string | null) {
    if (after !== null && after === this.expiredCursor) {
      return this.#refuse("BAD_USER_INPUT", { reason: "CURSOR_EXPIRED" });
    }
    const saved = [...rows.values()].map((one) => ({ id: one.id, row: one }));
    const all = [...saved, ...this.purged.map((id) => ({ id, row: null }))];
    // Each read has all changes, as if they were made just now. Within a read, the cursor counts
    // pages.
    const start = Number(after) || 0;
    const nodes = all.slice(start, start + this.pageSize);
    const hasNextPage = start + this.pageSize < all.length;
    const endCursor = hasNextPage ? String(start + this.pageSize) : "cursor";
    return { data: { changes: { nodes, pageInfo: { hasNextPage, endCursor } } } };
  }

  #create(name: string, rows: Map<string, Row>, inputs: Input[]) {
    const make: (values: Partial<Row>) => Row = name === "CreateTasks" ? task : project;
    for (const input of inputs) {
      if (!rows.has(input.id)) rows.set(input.id, make(fieldsOf(input)));
    }
    return { data: { saved: { rows: inputs.map(({ id }) => rows.get(id)) } } };
  }

  #update(name: string, rows: Map<string, Row>, found: Row[], patch: Patch) {
    const trashedAt = name.startsWith("Trash") ? AT : null;
    const change = <R extends Row>(row: R): R => ({
      ...row,
      ...fieldsOf(patch),
      trashedAt,
      version: row.version + 1,
    });
    const next = found.map(change);
    for (const one of next) rows.set(one.id, one);
    if (/^(Trash|Restore)Projects$/.test(name)) {
      for (const one of this.#tasksIn(found.map(({ id }) => id))) {
        // Trash a project with its tasks, and restore it with the tasks that were trashed with it.
        const isMoved = trashedAt === null ? one.trashedAt === AT : one.trashedAt === null;
        if (isMoved) this.tasks.set(one.id, change(one));
      }
    }
    return {
      data: {
        saved: ["UpdateTask", "UpdateProject"].includes(name) ? { row: next[0] } : { rows: next },
      },
    };
  }
}
