import { sha256 } from "@noble/hashes/sha2.js";
import type { AnyVariables, Client, CombinedError, OperationResult } from "urql";
import { toBatches } from "@/components/store/batches";
import { readChanges } from "@/components/store/read-changes";
import type { Task } from "@/components/tasks/task";
import {
  type CreateTaskInput,
  CreateTasksDocument,
  RestoreTasksDocument,
  TaskChangesDocument,
  TrashTasksDocument,
} from "@/gql/graphql";
import { Backoff } from "@/lib/backoff";
import { apiErrorMessage, failureCode, isOutage, retryAfterIn } from "@/lib/graphql";
import { NO_ANSWER } from "@/lib/messages";
import { uuidv8 } from "@/lib/uuid";
import type { ParsedTask } from "./read-file";
import { TransferError } from "./transfer-error";

/** The most tasks of an owner, including those in the trash. */
export const MAX_TASKS = 10_000;

const utf8 = new TextEncoder();

/** All tasks by id; null for one that was permanently deleted. */
export type KnownTasks = ReadonlyMap<string, Task | null>;

/** What an import will do. */
export type ImportPlan = {
  create: (CreateTaskInput & { id: string })[];
  /** Ids of tasks in the trash. */
  restore: string[];
  /** The number of tasks that already exist and stay unchanged. */
  unchanged: number;
};

/**
 * Plan an import so that each task of the file exists once, however often the file is imported.
 *
 * A task without an id gets one that is derived from the file's bytes and the row number. A
 * permanently deleted id cannot be used again: then another one is derived from the same two.
 */
export function planImport(
  bytes: Uint8Array,
  tasks: readonly ParsedTask[],
  known: KnownTasks,
): ImportPlan {
  const file = sha256(bytes);
  const plan: ImportPlan = { create: [], restore: [], unchanged: 0 };
  for (const { number, ownId, input } of tasks) {
    let id = ownId ?? deriveId(file, number, 0);
    for (let tries = 1; known.get(id) === null; tries += 1) id = deriveId(file, number, tries);
    const task = known.get(id);
    if (!task) plan.create.push({ id, ...input });
    else if (task.trashedAt !== null) plan.restore.push(id);
    else plan.unchanged += 1;
  }
  return plan;
}

function deriveId(file: Uint8Array, number: number, tries: number): string {
  return uuidv8(
    sha256
      .create()
      .update(file)
      .update(utf8.encode(`/${number}/${tries}`))
      .digest(),
  );
}

/** Return by how many the tasks would exceed the limit. */
export function countOverLimit({ create }: ImportPlan, known: KnownTasks): number {
  const kept = [...known.values()].filter((task) => task !== null).length;
  return Math.max(0, kept + create.length - MAX_TASKS);
}

/**
 * Read all tasks and the ids of permanently deleted ones.
 *
 * @throws {TransferError}
 */
export async function readAllTasks(client: Client): Promise<KnownTasks> {
  const known = new Map<string, Task | null>();
  const result = await readChanges<Task>(client, TaskChangesDocument, null, ({ id, row }) =>
    known.set(id, row),
  );
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

/** The ids of the tasks that an import created or restored. */
export type Imported = readonly string[];

/**
 * Run an import completely or not at all. During an outage it retries. After a refusal or a
 * cancellation, the tasks that were already imported are moved to the trash.
 *
 * @throws {TransferError}
 */
export async function runImport(
  client: Client,
  plan: ImportPlan,
  progress: Progress,
): Promise<Imported> {
  const all = plan.create.length + plan.restore.length;
  const done: string[] = [];
  /**
   * The tasks of the current request: the server may have imported them even if the response is
   * lost.
   */
  let pending: readonly string[] = [];

  async function step(ids: readonly string[], send: SendRequest): Promise<void> {
    pending = ids;
    await sendUntilAnswered(send, progress);
    done.push(...ids);
    progress.onProgress(done.length / all);
  }

  try {
    for (const inputs of toBatches(plan.create)) {
      const ids = inputs.map(({ id }) => id);
      await step(ids, () => client.mutation(CreateTasksDocument, { inputs }).toPromise());
    }
    for (const ids of toBatches(plan.restore)) {
      await step(ids, () => client.mutation(RestoreTasksDocument, { ids }).toPromise());
    }
    return done;
  } catch (error) {
    if (!(error instanceof TransferError)) throw error;
    const problem = (await undoImport(client, done)) ?? (await undoImport(client, pending, true));
    if (problem === null) throw error;
    throw new TransferError(
      `${problem} At least ${done.length} of ${all} tasks were already imported. Import the same file again to continue: no task is added twice.`,
    );
  }
}

/**
 * Move imported tasks to the trash. Returns a sentence that says why this failed, or null.
 *
 * @param mayBeMissing whether the tasks may not exist.
 */
export async function undoImport(
  client: Client,
  imported: Imported,
  mayBeMissing = false,
): Promise<string | null> {
  for (const ids of toBatches(imported)) {
    const { error } = await client.mutation(TrashTasksDocument, { ids }).toPromise();
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
  return error.graphQLErrors[0]?.extensions.code === "CONFLICT"
    ? "One of the tasks was deleted in the meantime. Try again."
    : apiErrorMessage(error);
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
