import { sha256 } from "@noble/hashes/sha2.js";
import type { AnyVariables, Client, CombinedError, OperationResult } from "urql";
import { isActive, MAX_PROJECTS, type Project } from "@/components/projects/project";
import { toBatches } from "@/components/store/batches";
import type { Documents } from "@/components/store/noun";
import { byPosition } from "@/components/store/order";
import { readChanges } from "@/components/store/read-changes";
import type { Task } from "@/components/tasks/task";
import {
  type CreateProjectInput,
  CreateProjectsDocument,
  type CreateTaskInput,
  CreateTasksDocument,
  ProjectChangesDocument,
  RestoreTasksDocument,
  TaskChangesDocument,
  TrashProjectsDocument,
  TrashTasksDocument,
} from "@/gql/graphql";
import { Backoff } from "@/lib/backoff";
import { apiErrorMessage, failureCode, isOutage, retryAfterIn } from "@/lib/graphql";
import { NO_ANSWER } from "@/lib/messages";
import { uuidv8 } from "@/lib/uuid";
import { wait } from "@/lib/wait";
import type { ParsedProject, ParsedTask } from "./read-file";
import { TransferError } from "./transfer-error";

/** The most tasks of an owner, including those in the trash. */
export const MAX_TASKS = 10_000;

const utf8 = new TextEncoder();

/** All tasks and projects by id; null for one that was permanently deleted. */
export type Known = {
  tasks: ReadonlyMap<string, Task | null>;
  projects: ReadonlyMap<string, Project | null>;
};

/** The tasks and projects of a file. */
type ParsedFile = { tasks: readonly ParsedTask[]; projects: readonly ParsedProject[] };

/** What an import will do. */
export type ImportPlan = {
  create: (CreateTaskInput & { id: string })[];
  /** Ids of tasks in the trash. */
  restore: string[];
  /** The number of tasks that already exist and stay unchanged. */
  unchanged: number;
  /** The projects that do not exist yet. */
  projects: (CreateProjectInput & { id: string })[];
};

/**
 * Plan an import so that each task and each project of the file exists once, however often the file
 * is imported.
 *
 * A task without an id gets one that is derived from the file's bytes and the row number. A
 * permanently deleted id cannot be used again, so another id is then derived from the same bytes
 * and number. An existing project with the same name is used, unless it is in the trash; otherwise
 * the project is created.
 */
export function planImport(bytes: Uint8Array, file: ParsedFile, known: Known): ImportPlan {
  const digest = sha256(bytes);
  const plan: ImportPlan = { create: [], restore: [], unchanged: 0, projects: [] };
  const projectIds = idsByName(known);

  function projectId(project: ParsedProject): string {
    const key = keyOf(project.name);
    let id = projectIds.get(key);
    if (id !== undefined) return id;
    id = deriveId(digest, key, 0);
    for (let tries = 1; known.projects.has(id); tries += 1) id = deriveId(digest, key, tries);
    projectIds.set(key, id);
    plan.projects.push({ id, ...project });
    return id;
  }

  for (const project of file.projects) projectId(project);
  for (const { number, ownId, input, project: name } of file.tasks) {
    let id = ownId ?? deriveId(digest, number, 0);
    for (let tries = 1; known.tasks.get(id) === null; tries += 1) {
      id = deriveId(digest, number, tries);
    }
    const task = known.tasks.get(id);
    if (!task) plan.create.push({ id, ...input, ...(name && { projectId: projectId({ name }) }) });
    else if (task.trashedAt !== null) plan.restore.push(id);
    else plan.unchanged += 1;
  }
  return plan;
}

const keyOf = (name: string) => name.normalize("NFC").toLowerCase();

/**
 * Return the ids of usable projects by name. If several projects have the same name, prefer the
 * first active one.
 */
function idsByName({ projects }: Known): Map<string, string> {
  const usable = [...projects.values()].filter((project) => project?.trashedAt === null);
  const found = usable
    .filter((project) => project !== null)
    .sort(byPosition)
    .reverse();
  const ordered = [...found.filter((one) => !isActive(one)), ...found.filter(isActive)];
  return new Map(ordered.map(({ id, name }) => [keyOf(name), id]));
}

function deriveId(file: Uint8Array, place: number | string, tries: number): string {
  return uuidv8(
    sha256
      .create()
      .update(file)
      .update(utf8.encode(`/${place}/${tries}`))
      .digest(),
  );
}

const countOf = (known: ReadonlyMap<string, object | null>) =>
  [...known.values()].filter((row) => row !== null).length;

/** Return by how many the tasks and the projects would exceed their limits. */
export function countOverLimit(
  { create, projects }: ImportPlan,
  known: Known,
): { tasks: number; projects: number } {
  return {
    tasks: Math.max(0, countOf(known.tasks) + create.length - MAX_TASKS),
    projects: Math.max(0, countOf(known.projects) + projects.length - MAX_PROJECTS),
  };
}

/**
 * Read all tasks and projects, and the ids of permanently deleted ones.
 *
 * @throws {TransferError}
 */
export async function readAll(client: Client): Promise<Known> {
  const [tasks, projects] = await Promise.all([
    readRows<Task>(client, TaskChangesDocument),
    readRows<Project>(client, ProjectChangesDocument),
  ]);
  return { tasks, projects };
}

async function readRows<R>(
  client: Client,
  changes: Documents<R>["changes"],
): Promise<ReadonlyMap<string, R | null>> {
  const known = new Map<string, R | null>();
  const result = await readChanges(client, changes, null, ({ id, row }) => known.set(id, row));
  if (result.isComplete) return known;
  throw new TransferError(result.error ? apiErrorMessage(result.error) : NO_ANSWER);
}

type Progress = {
  /** The part that is done, from 0 to 1. */
  onProgress: (done: number) => void;
  /** Called with a message while the server does not answer, and with null afterwards. */
  onOutage: (message: string | null) => void;
  /** Aborted when the person cancels. */
  signal: AbortSignal;
};

/** The ids of the tasks that an import created or restored, and of the projects that it created. */
export type Imported = { tasks: readonly string[]; projects: readonly string[] };

/**
 * Run an import completely or not at all. During an outage it retries. After a refusal or a
 * cancellation, what was already imported is moved to the trash.
 *
 * @throws {TransferError}
 */
export async function runImport(
  client: Client,
  plan: ImportPlan,
  progress: Progress,
): Promise<Imported> {
  const { create, restore, projects } = plan;
  const all = create.length + restore.length + projects.length;
  const done = { tasks: [] as string[], projects: [] as string[] };
  /**
   * The rows of the current request: the server may have imported them even if the response is
   * lost.
   */
  let pending: Imported = { tasks: [], projects: [] };

  async function step(noun: keyof Imported, ids: readonly string[], send: SendRequest) {
    pending = { tasks: [], projects: [], [noun]: ids };
    await sendUntilAnswered(send, progress);
    done[noun].push(...ids);
    progress.onProgress((done.tasks.length + done.projects.length) / all);
  }
  const idsOf = (inputs: readonly { id: string }[]) => inputs.map(({ id }) => id);

  try {
    // Projects are created first, because the tasks refer to them.
    for (const inputs of toBatches(projects)) {
      await step("projects", idsOf(inputs), () =>
        client.mutation(CreateProjectsDocument, { inputs }).toPromise(),
      );
    }
    for (const inputs of toBatches(create)) {
      await step("tasks", idsOf(inputs), () =>
        client.mutation(CreateTasksDocument, { inputs }).toPromise(),
      );
    }
    for (const ids of toBatches(restore)) {
      await step("tasks", ids, () => client.mutation(RestoreTasksDocument, { ids }).toPromise());
    }
    return done;
  } catch (error) {
    if (!(error instanceof TransferError)) throw error;
    const problem = (await undoImport(client, done)) ?? (await undoImport(client, pending, true));
    if (problem === null) throw error;
    const count = create.length + restore.length;
    throw new TransferError(
      `${problem} At least ${done.tasks.length} of ${count} tasks were already imported. Import the same file again to continue: no task is added twice.`,
    );
  }
}

/**
 * Move imported tasks and projects to the trash. Returns a sentence that says why this failed, or
 * null.
 *
 * @param mayBeMissing whether they may not exist.
 */
export async function undoImport(
  client: Client,
  { tasks, projects }: Imported,
  mayBeMissing = false,
): Promise<string | null> {
  const requests: [typeof TrashTasksDocument | typeof TrashProjectsDocument, string[]][] = [
    ...toBatches(tasks).map((ids): [typeof TrashTasksDocument, string[]] => [
      TrashTasksDocument,
      ids,
    ]),
    ...toBatches(projects).map((ids): [typeof TrashProjectsDocument, string[]] => [
      TrashProjectsDocument,
      ids,
    ]),
  ];
  for (const [document, ids] of requests) {
    const { error } = await client
      .mutation<unknown, { ids: string[] }>(document, { ids })
      .toPromise();
    if (error && !(mayBeMissing && failureCode(error) === "NOT_FOUND"))
      return apiErrorMessage(error);
  }
  return null;
}

type SendRequest = () => Promise<OperationResult<unknown, AnyVariables>>;

/** Send a request again until the server answers. */
async function sendUntilAnswered(ask: SendRequest, { onOutage, signal }: Progress): Promise<void> {
  const backoff = new Backoff();
  for (;;) {
    if (signal.aborted) throw new TransferError("Nothing was imported.");
    const { error } = await ask();
    if (!error) return onOutage(null);
    if (!isOutage(error)) throw new TransferError(`Nothing was imported. ${refusalMessage(error)}`);
    onOutage(apiErrorMessage(error));
    await wait(backoff.after(retryAfterIn(error)), signal);
  }
}

function refusalMessage(error: CombinedError): string {
  return ["CONFLICT", "NOT_FOUND"].includes(failureCode(error))
    ? "One of the tasks or projects was deleted in the meantime. Try again."
    : apiErrorMessage(error);
}
