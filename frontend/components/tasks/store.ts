import type { AnyVariables, Client, CombinedError, TypedDocumentNode } from "urql";
import { isLeaving } from "@/components/account/signed-out";
import {
  CreateTasksDocument,
  DeleteTasksDocument,
  RestoreTasksDocument,
  TaskChangesDocument,
  TaskDocument,
  TrashTasksDocument,
  UpdateTaskDocument,
  UpdateTasksDocument,
} from "@/gql/graphql";
import { Backoff } from "@/lib/backoff";
import { explain, failureCode, isOutage, retryAfterIn } from "@/lib/graphql";
import { applied, type Edit, idsOf, inverseOf, type Text } from "./edit";
import type { Task } from "./task";
import { type Sort, sorted } from "./view";
import { type Waiting, WaitingEdits } from "./waiting";

/** A text of the person's, over one that was changed elsewhere meanwhile. */
export type Conflict = {
  id: string;
  mine: Text;
  theirs: Task;
  /** The edits that wrote it: kept in the browser until the person has chosen. */
  edits: readonly Waiting[];
};

/** What the page shows besides the tasks. A new object with every change. */
export type State = {
  /** Counts the changes of the tasks. */
  revision: number;
  /** Whether all tasks are here, and not the first page alone. */
  isComplete: boolean;
  /** Edits that the server has not answered. */
  waiting: number;
  /** Why nothing goes through at the moment, in words. */
  trouble: string | null;
  /** To be settled by the person, the first one first. */
  conflicts: readonly Conflict[];
};

/** An edit that the server refused: it was taken back. */
export type Refusal = { message: string; retry?: () => void };

type Step = { said: string; inverse: Edit[] };

type Answer = {
  /** As the server has them now. */
  tasks: readonly Task[];
  error?: CombinedError | undefined;
  /** What stands where the person saw another text. */
  theirs?: Task;
};

const OFFLINE = "You are offline.";

const POLL_MS = 5_000;

const isExpiredCursor = (error: CombinedError) =>
  error.graphQLErrors.some(({ extensions }) => extensions.reason === "CURSOR_EXPIRED");

function says(task: Task, text: Text): boolean {
  return (Object.keys(text) as (keyof Text)[]).every((name) => task[name] === text[name]);
}

/** Adds a conflict. Of one task there is one, with what was typed last. */
function withConflict(
  conflicts: readonly Conflict[],
  waiting: Waiting,
  { id, text }: Edit & { kind: "write" },
  theirs: Task,
): readonly Conflict[] {
  const before = conflicts.find((one) => one.id === id);
  const mine = { ...before?.mine, ...text };
  const conflict = { id, mine, theirs, edits: [...(before?.edits ?? []), waiting] };
  return before
    ? conflicts.map((one) => (one === before ? conflict : one))
    : [...conflicts, conflict];
}

/** Whether a step takes back what these edits wrote into a task. */
function takesBack({ inverse }: Step, id: string, edits: readonly Waiting[]): boolean {
  const texts = edits.map(({ edit }) => (edit.kind === "write" ? edit.text : {}));
  return inverse.some(
    (edit) =>
      edit.kind === "write" &&
      edit.id === id &&
      (Object.keys(edit.over) as (keyof Text)[]).every((name) =>
        texts.some((text) => text[name] === edit.over[name]),
      ),
  );
}

/** What takes two writes back at once, or null when the second does not go on from the first. */
function joinedInverse(before: readonly Edit[], after: readonly Edit[]): Edit[] | null {
  const [first] = before;
  const [second] = after;
  if (first?.kind !== "write" || second?.kind !== "write" || first.id !== second.id) return null;
  if (before.length > 1 || after.length > 1) return null;
  const text = { ...second.text, ...first.text };
  return [{ kind: "write", id: first.id, text, over: { ...first.over, ...second.over } }];
}

/**
 * One person's tasks, all of them, in memory.
 *
 * What is shown is what the server said, with the edits that wait laid over it. So a write shows at
 * once, a refused one is rolled back by forgetting it, and a change from elsewhere slips in under it.
 * Edits go out one after the other. While nothing goes through they wait, and go out when it does;
 * each is safe to send twice.
 *
 * The server's part is read as its changes from the beginning, and kept up to date by the same
 * question from there on: asked every few seconds, until a subscription asks it.
 */
export class TaskStore {
  readonly #client: Client;
  readonly #waiting: WaitingEdits;
  readonly #server = new Map<string, Task>();
  readonly #shown = new Map<string, Task>();
  /** Deleted for good: an answer that is older cannot bring one back. */
  readonly #gone = new Set<string>();
  readonly #orders = new Map<Sort, { tasks: Task[]; stale: Set<string> }>();
  readonly #listeners = new Set<() => void>();
  #queue: Waiting[] = [];
  readonly #done: Step[] = [];
  readonly #undone: Step[] = [];
  #cursor: string | null = null;
  #phase: "new" | "starting" | "idle" | "sending" = "new";
  #reading: Promise<void> | undefined;
  readonly #backoff = new Backoff();
  /** Until then nothing is asked by itself, in milliseconds of the page's clock. */
  #quietUntil = 0;
  /** The same as far as the server asked for it: until then edits wait as well. */
  #askedUntil = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #channel: BroadcastChannel | undefined;
  #state: State;

  /** Told of each edit that the server refused. */
  onRefusal: (refusal: Refusal) => void = () => {};

  /** @param seed the tasks of the page that the server rendered. */
  constructor(client: Client, owner: string, seed: readonly Task[]) {
    this.#client = client;
    this.#waiting = new WaitingEdits(owner);
    for (const task of seed) {
      this.#server.set(task.id, task);
      this.#shown.set(task.id, task);
    }
    this.#state = {
      revision: 0,
      isComplete: false,
      waiting: 0,
      trouble: null,
      conflicts: [],
    };
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly state = () => this.#state;

  get(id: string): Task | null {
    return this.#shown.get(id) ?? null;
  }

  /** Whether an edit of it waits. */
  isWaiting(id: string): boolean {
    return this.#queue.some(({ edit }) => idsOf(edit).includes(id));
  }

  /** All tasks in an order. Only those that changed are put into their places. */
  ordered(sort: Sort): readonly Task[] {
    const before = this.#orders.get(sort);
    const stale = before?.stale ?? new Set(this.#shown.keys());
    if (before && stale.size === 0) return before.tasks;
    const tasks = before?.tasks.filter(({ id }) => !stale.has(id)) ?? [];
    for (const id of stale) {
      const task = this.#shown.get(id);
      if (task) tasks.push(task);
    }
    this.#orders.set(sort, { tasks: sorted(tasks, sort), stale: new Set() });
    return tasks;
  }

  /* What the person does */

  /**
   * Shows the edits, sends them in order, and remembers how to take them back: in one step with the
   * text before it where the person goes on writing.
   */
  act(edits: readonly Edit[], said: string, goesOn = false): void {
    const inverse = this.#perform(edits);
    if (inverse.length === 0) return;
    this.#undone.length = 0;
    const joined = goesOn ? joinedInverse(this.#done.at(-1)?.inverse ?? [], inverse) : null;
    if (joined) this.#done.pop();
    this.#done.push({ said, inverse: joined ?? inverse });
  }

  /** Takes the latest step back. Says which, or null when there is none. */
  undo(): string | null {
    return this.#goBack(this.#done, this.#undone);
  }

  redo(): string | null {
    return this.#goBack(this.#undone, this.#done);
  }

  #goBack(from: Step[], to: Step[]): string | null {
    const step = from.pop();
    if (!step) return null;
    to.push({ said: step.said, inverse: this.#perform(step.inverse) });
    return step.said;
  }

  #perform(edits: readonly Edit[]): Edit[] {
    const inverse: Edit[] = [];
    const now = new Date().toISOString();
    for (const edit of edits) {
      inverse.unshift(...inverseOf(edit, (id) => this.get(id), now));
      const waiting = this.#waiting.wrap(edit);
      void this.#waiting.keep(waiting);
      this.#queue.push(waiting);
      this.#show(idsOf(edit));
    }
    this.#change({});
    void this.#send();
    return inverse;
  }

  /** The person has seen both texts and chosen. Either choice can be undone. */
  settleConflict(keep: "mine" | "theirs"): void {
    const [conflict, ...conflicts] = this.#state.conflicts;
    if (!conflict) return;
    const { id, mine, theirs, edits } = conflict;
    const over: Text = {};
    for (const name of Object.keys(mine) as (keyof Text)[]) over[name] = theirs[name];
    const write: Edit = { kind: "write", id, text: mine, over };
    // What was never written is not to be taken back.
    const isUnwritten = (step: Step) => takesBack(step, id, edits);
    this.#done.splice(0, this.#done.length, ...this.#done.filter((step) => !isUnwritten(step)));
    if (keep === "mine") this.act([write], "Kept your text");
    else this.#done.push({ said: "Kept the other text", inverse: [write] });
    for (const edit of edits) void this.#waiting.settle(edit);
    this.#change({ conflicts });
  }

  /* What the page shows */

  #show(ids: Iterable<string>): void {
    for (const id of ids) {
      let task = this.#server.get(id) ?? null;
      for (const { edit } of this.#queue) {
        if (idsOf(edit).includes(id)) task = applied(edit, task, id);
      }
      if (task) this.#shown.set(id, task);
      else this.#shown.delete(id);
      for (const { stale } of this.#orders.values()) stale.add(id);
    }
    this.#state = { ...this.#state, revision: this.#state.revision + 1 };
  }

  #change(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change, waiting: this.#queue.length };
    for (const listener of this.#listeners) listener();
  }

  /** The server said so. What is older than what it said before is no news. */
  #put(tasks: readonly Task[]): void {
    for (const task of tasks) {
      const known = this.#server.get(task.id);
      if (this.#gone.has(task.id) || (known && known.version > task.version)) continue;
      this.#server.set(task.id, task);
    }
  }

  #takeOut(id: string): void {
    this.#gone.add(id);
    this.#server.delete(id);
  }

  /* What goes out */

  async #send(): Promise<void> {
    if (this.#phase !== "idle") return;
    if (performance.now() < this.#askedUntil) return;
    this.#phase = "sending";
    try {
      let next = this.#queue[0];
      while (next && (await this.#deliver(next))) next = this.#queue[0];
    } finally {
      this.#phase = "idle";
    }
  }

  /** Whether the next may go. */
  async #deliver(waiting: Waiting): Promise<boolean> {
    const { edit } = waiting;
    const answer = edit.kind === "write" ? await this.#write(edit) : await this.#ask(edit);
    const { tasks, error } = answer;
    if (error && failureCode(error) === "UNAUTHENTICATED") return false; // the page leaves; it is kept
    if (error && isOutage(error)) {
      this.#wait(error);
      return false;
    }
    this.#backoff.reset();
    this.#endQuiet();
    this.#put(tasks);
    if (error && failureCode(error) === "NOT_FOUND") await this.refresh();
    this.#settle(waiting, answer);
    if (!error) this.#channel?.postMessage(null);
    return true;
  }

  #settle(waiting: Waiting, { error, theirs }: Answer): void {
    const { edit } = waiting;
    this.#queue = this.#queue.filter((other) => other !== waiting);
    if (theirs === undefined) void this.#waiting.settle(waiting);
    if (edit.kind === "delete" && !error) for (const id of edit.ids) this.#takeOut(id);
    if (error) this.#refuse(edit, error);
    this.#show(idsOf(edit));
    const { conflicts } = this.#state;
    const isConflict = theirs !== undefined && edit.kind === "write";
    this.#change({
      trouble: null,
      conflicts: isConflict ? withConflict(conflicts, waiting, edit, theirs) : conflicts,
    });
  }

  /**
   * Nothing goes through: try again after a while, which grows with each failure and is never less than
   * `Retry-After`. A try in between, such as for a new edit, does not make it longer.
   */
  #wait(error: CombinedError): void {
    const isOffline = failureCode(error) === "UNREACHABLE" && !navigator.onLine;
    this.#change({ trouble: isOffline ? OFFLINE : explain(error) });
    const asked = retryAfterIn(error);
    if (asked !== null || !this.#isQuiet()) {
      this.#quietUntil = performance.now() + this.#backoff.after(asked);
      this.#askedUntil = asked === null ? 0 : this.#quietUntil;
    }
    clearTimeout(this.#retry);
    const wait = this.#quietUntil - performance.now();
    this.#retry = setTimeout(() => void this.#goOn(), Math.max(wait, 0));
  }

  #isQuiet(): boolean {
    return performance.now() < this.#quietUntil;
  }

  #endQuiet(): void {
    this.#quietUntil = 0;
    this.#askedUntil = 0;
    clearTimeout(this.#retry);
  }

  async #goOn(): Promise<void> {
    this.#endQuiet();
    await Promise.all([this.#send(), this.refresh()]);
  }

  #refuse(edit: Edit, error: CombinedError): void {
    if (failureCode(error) === "NOT_FOUND") {
      // Of several, one is gone: the others are still to be done. Of one, nothing is left to do.
      const left = idsOf(edit).filter((id) => this.#server.has(id));
      if ("ids" in edit && left.length > 0 && left.length < edit.ids.length) {
        this.#perform([{ ...edit, ids: left }]);
      } else if (edit.kind !== "delete") this.onRefusal({ message: explain(error) });
      return;
    }
    this.onRefusal({ message: explain(error), retry: () => void this.#perform([edit]) });
  }

  async #ask(edit: Exclude<Edit, { kind: "write" }>): Promise<Answer> {
    switch (edit.kind) {
      case "create": {
        const { data, error } = await this.#mutate(CreateTasksDocument, { inputs: edit.inputs });
        return { tasks: data?.createTasks?.tasks ?? [], error };
      }
      case "set": {
        const variables = { id: edit.id, patch: edit.patch };
        const { data, error } = await this.#mutate(UpdateTaskDocument, variables);
        return { tasks: data?.updateTask ? [data.updateTask.task] : [], error };
      }
      case "set-many": {
        const variables = { ids: edit.ids, patch: edit.patch };
        const { data, error } = await this.#mutate(UpdateTasksDocument, variables);
        return { tasks: data?.updateTasks?.tasks ?? [], error };
      }
      case "trash": {
        const { data, error } = await this.#mutate(TrashTasksDocument, { ids: edit.ids });
        return { tasks: data?.trashTasks?.tasks ?? [], error };
      }
      case "restore": {
        const { data, error } = await this.#mutate(RestoreTasksDocument, { ids: edit.ids });
        return { tasks: data?.restoreTasks?.tasks ?? [], error };
      }
      case "delete": {
        const { error } = await this.#mutate(DeleteTasksDocument, { ids: edit.ids });
        return { tasks: [], error };
      }
    }
  }

  /**
   * Text goes over the version whose text the person saw. When only something else of the task was
   * changed meanwhile it goes over the newer version; when the text was, it is a conflict.
   */
  async #write({ id, text, over }: Edit & { kind: "write" }): Promise<Answer> {
    let seen = this.#server.get(id);
    for (;;) {
      if (seen && says(seen, text)) return { tasks: [] }; // it went through, and the answer was lost
      if (seen && !says(seen, over)) return { tasks: [], theirs: seen };
      const expectedVersion = seen?.version ?? null;
      const variables = { id, patch: text, expectedVersion };
      const { data, error } = await this.#mutate(UpdateTaskDocument, variables);
      if (data?.updateTask) return { tasks: [data.updateTask.task] };
      if (!error || failureCode(error) !== "CONFLICT") return { tasks: [], error };
      const now = await this.#client.query(TaskDocument, { id }).toPromise();
      if (!now.data?.task) return { tasks: [], error: now.error };
      seen = now.data.task;
      this.#put([seen]);
    }
  }

  async #mutate<D, V extends AnyVariables>(document: TypedDocumentNode<D, V>, variables: V) {
    return await this.#client.mutation(document, variables).toPromise();
  }

  /* What comes in */

  /** Takes over what waits, reads all tasks, and goes on. Returns what ends that. */
  start(owner: string): () => void {
    const onTime = () => {
      if (document.visibilityState !== "visible" || isLeaving() || this.#isQuiet()) return;
      void this.#goOn();
    };
    // The person is back, or a network is: that ends a wait of our own, and none of the server's.
    const onReturn = () => {
      // Just woken, without a network yet: `online` follows. It is a hint and may be wrong, so that the
      // timer asks all the same.
      if (!navigator.onLine) return;
      this.#quietUntil = this.#askedUntil;
      onTime();
    };
    const onOffline = () => this.#change({ trouble: OFFLINE });
    const timer = setInterval(onTime, POLL_MS);
    document.addEventListener("visibilitychange", onReturn);
    window.addEventListener("online", onReturn);
    window.addEventListener("offline", onOffline);
    if (typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(`tasks:${owner}`);
      this.#channel.onmessage = onTime;
    }
    if (this.#phase === "new") void this.#begin();
    return () => {
      clearInterval(timer);
      clearTimeout(this.#retry);
      document.removeEventListener("visibilitychange", onReturn);
      window.removeEventListener("online", onReturn);
      window.removeEventListener("offline", onOffline);
      this.#channel?.close();
    };
  }

  async #begin(): Promise<void> {
    this.#phase = "starting";
    const left = await this.#waiting.adopt();
    this.#queue.unshift(...left);
    for (const { edit } of left) this.#show(idsOf(edit));
    this.#phase = "idle";
    this.#change({});
    await Promise.all([this.#send(), this.refresh()]);
  }

  /** Tries at once what failed, since the person says so, rather than in a while. */
  async tryNow(): Promise<void> {
    await this.#goOn();
  }

  async refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  /** Reads on from the cursor, and from the beginning when there is none. */
  async #read(): Promise<void> {
    const unseen = new Set(this.#cursor === null ? this.#server.keys() : []);
    const touched = new Set<string>();
    for (let after = this.#cursor; ; ) {
      const { data, error } = await this.#client.query(TaskChangesDocument, { after }).toPromise();
      if (!data) return this.#notRead(error);
      for (const { taskId, task } of data.taskChanges.nodes) {
        if (task) this.#put([task]);
        else this.#takeOut(taskId);
        unseen.delete(taskId);
        touched.add(taskId);
      }
      const { hasNextPage, endCursor } = data.taskChanges.pageInfo;
      after = endCursor;
      if (!hasNextPage) {
        this.#cursor = endCursor;
        break;
      }
    }
    for (const id of unseen) this.#takeOut(id);
    this.#showRead(new Set([...touched, ...unseen]));
  }

  #notRead(error: CombinedError | undefined): void {
    if (!error || failureCode(error) === "UNAUTHENTICATED") return;
    if (isExpiredCursor(error)) this.#cursor = null;
    else if (isOutage(error)) this.#wait(error);
    else this.#change({ trouble: explain(error) });
  }

  #showRead(ids: ReadonlySet<string>): void {
    if (ids.size > 0) this.#show(ids);
    const { trouble, isComplete } = this.#state;
    if (this.#queue.length === 0) {
      this.#backoff.reset();
      this.#endQuiet();
    }
    // What waits for its turn says itself when it goes through.
    const next = this.#queue.length > 0 ? trouble : null;
    if (ids.size > 0 || !isComplete || trouble !== next) {
      this.#change({ isComplete: true, trouble: next });
    }
  }
}
