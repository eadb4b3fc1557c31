"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import { type Client, type CombinedError, useClient } from "urql";
import { useSession } from "@/components/graphql/graphql";
import { useToast } from "@/components/toasts/toasts";
import {
  CreateTaskDocument,
  DeleteTasksDocument,
  RestoreTasksDocument,
  type TaskFieldsFragment,
  type TaskPatch,
  TasksDocument,
  TrashTasksDocument,
  UpdateTaskDocument,
} from "@/gql/graphql";
import { explain, failureCode } from "@/lib/graphql";
import { uuidv7 } from "@/lib/uuid";
import { settleDraft } from "./draft";
import { belongs, VIEW_STATUS, VIEWS, type View } from "./view";

export type Task = TaskFieldsFragment;

/** A task as it is shown: perhaps ahead of the server, perhaps not accepted by it. */
export type Row = { task: Task; state: "saved" | "creating" | "not-created"; problem?: string };

export type List = {
  rows: readonly Row[];
  /** Where the next page begins; null when there is none. */
  nextPage: string | null;
  isLoaded: boolean;
};

type Lists = Readonly<Record<View, List>>;

const UNREAD: List = { rows: [], nextPage: null, isLoaded: false };
const UNREAD_LISTS: Lists = { open: UNREAD, completed: UNREAD, all: UNREAD, trash: UNREAD };

const PAGE = 50;

const saved = (task: Task): Row => ({ task, state: "saved" });

/** Newest first, as the API lists them. */
function byCreation({ task: a }: Row, { task: b }: Row): number {
  return Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : -1);
}

function mapLists(lists: Lists, map: (list: List, view: View) => List): Lists {
  const mapped = VIEWS.map((view) => [view, map(lists[view], view)]);
  return Object.fromEntries(mapped) as Record<View, List>;
}

function fetchPage(client: Client, view: View, after: string | null) {
  const variables = { first: PAGE, after, status: VIEW_STATUS[view] };
  return client.query(TasksDocument, variables).toPromise();
}

/** The first `count` rows, by as many pages as that takes: what is shown, read again. */
async function fetchRows(client: Client, view: View, count: number) {
  const rows: Row[] = [];
  let after: string | null = null;
  for (;;) {
    const { data, error } = await fetchPage(client, view, after);
    if (!data) return { error };
    rows.push(...data.tasks.nodes.map(saved));
    const { hasNextPage, endCursor } = data.tasks.pageInfo;
    after = hasNextPage ? endCursor : null;
    if (after === null || rows.length >= count) {
      return { list: { rows, nextPage: after, isLoaded: true } satisfies List };
    }
  }
}

/**
 * The tasks of the view that is shown, and everything that can be done to them.
 *
 * A change shows at once and is taken back when the server refuses it. Writes to one task go out in
 * their order, one after the other, so that the last one wins here and there alike. Each view is kept
 * while another is shown, and read again when it comes back.
 */
export function useTasks(view: View) {
  const client = useClient();
  const { owner } = useSession();
  const toast = useToast();
  const [lists, setLists] = useState(UNREAD_LISTS);
  const [problem, setProblem] = useState<string | null>(null);
  const [isLoadingMore, setLoadingMore] = useState(false);
  const writes = useRef(new Map<string, Promise<unknown>>());
  const changes = useRef(0);
  const shown = useRef(lists);

  useEffect(() => {
    shown.current = lists;
  }, [lists]);

  const change = useCallback((next: (rows: readonly Row[], view: View) => readonly Row[]) => {
    changes.current += 1;
    setLists((current) =>
      mapLists(current, (list, at) => ({ ...list, rows: next(list.rows, at) })),
    );
  }, []);

  const put = useCallback(
    (row: Row) => {
      change((rows) => rows.map((other) => (other.task.id === row.task.id ? row : other)));
    },
    [change],
  );

  const takeOut = useCallback(
    (id: string) => change((rows) => rows.filter(({ task }) => task.id !== id)),
    [change],
  );

  const putBack = useCallback(
    (task: Task) => {
      change((rows, at) => {
        const others = rows.filter((row) => row.task.id !== task.id);
        return belongs(task, at) ? [...others, saved(task)].sort(byCreation) : others;
      });
    },
    [change],
  );

  /** Runs after the writes to the same task that came before it. */
  const inOrder = useCallback(async <T>(id: string, write: () => Promise<T>) => {
    const turn = (writes.current.get(id) ?? Promise.resolve()).then(write);
    writes.current.set(id, turn);
    try {
      const result = await turn;
      return { result, isLast: writes.current.get(id) === turn };
    } finally {
      changes.current += 1;
      if (writes.current.get(id) === turn) writes.current.delete(id);
    }
  }, []);

  const fail = useCallback(
    (error: CombinedError, retry: () => void) => {
      toast({
        message: explain(error),
        isError: true,
        ...(failureCode(error) !== "NOT_FOUND" && { action: { label: "Try again", run: retry } }),
      });
    },
    [toast],
  );

  const refresh = useCallback(async () => {
    for (;;) {
      const before = changes.current;
      const { list, error } = await fetchRows(client, view, shown.current[view].rows.length);
      setProblem(error ? explain(error) : null);
      if (!list) return;
      if (changes.current === before && writes.current.size === 0) {
        setLists((current) => {
          const unsaved = current[view].rows.filter(({ state }) => state !== "saved");
          return { ...current, [view]: { ...list, rows: [...unsaved, ...list.rows] } };
        });
        return;
      }
      // Something was changed meanwhile, which this answer may not know yet.
      await Promise.allSettled(writes.current.values());
    }
  }, [client, view]);

  useEffect(() => {
    void refresh();
    const onReturn = () => {
      // Just woken, without a network yet: `online` follows.
      if (document.visibilityState === "visible" && navigator.onLine) void refresh();
    };
    document.addEventListener("visibilitychange", onReturn);
    window.addEventListener("online", onReturn);
    return () => {
      document.removeEventListener("visibilitychange", onReturn);
      window.removeEventListener("online", onReturn);
    };
  }, [refresh]);

  const loadMore = useCallback(async () => {
    setLoadingMore(true);
    const { data, error } = await fetchPage(client, view, shown.current[view].nextPage);
    setLoadingMore(false);
    if (!data) {
      if (error) fail(error, () => void loadMore());
      return;
    }
    const { nodes, pageInfo } = data.tasks;
    changes.current += 1;
    setLists((current) => {
      const { rows } = current[view];
      const known = new Set(rows.map(({ task }) => task.id));
      const list: List = {
        rows: [...rows, ...nodes.filter(({ id }) => !known.has(id)).map(saved)],
        nextPage: pageInfo.hasNextPage ? pageInfo.endCursor : null,
        isLoaded: true,
      };
      return { ...current, [view]: list };
    });
  }, [client, view, fail]);

  const create = useCallback(
    async (task: Task) => {
      put({ task, state: "creating" });
      const input = { id: task.id, title: task.title };
      const { result } = await inOrder(task.id, () =>
        client.mutation(CreateTaskDocument, { input }).toPromise(),
      );
      const created = result.data?.createTask?.task;
      if (created) {
        put(saved(created));
        settleDraft(owner, task.title);
      } else if (result.error) {
        put({ task, state: "not-created", problem: explain(result.error) });
      }
    },
    [client, owner, inOrder, put],
  );

  /** Gives up a task that the server did not take. */
  const discard = useCallback(
    (task: Task) => {
      takeOut(task.id);
      settleDraft(owner, task.title);
    },
    [owner, takeOut],
  );

  /** Adds a task under an id chosen here, so that trying again can never add it twice. */
  const add = useCallback(
    (title: string) => {
      const now = new Date().toISOString();
      const task: Task = {
        id: uuidv7(),
        title,
        description: "",
        completed: false,
        version: 0,
        createdAt: now,
        trashedAt: null,
      };
      change((rows, at) => (belongs(task, at) ? [{ task, state: "creating" }, ...rows] : rows));
      void create(task);
    },
    [change, create],
  );

  const setCompleted = useCallback(
    async (task: Task, completed: boolean) => {
      put(saved({ ...task, completed }));
      const { result, isLast } = await inOrder(task.id, () =>
        client.mutation(UpdateTaskDocument, { id: task.id, patch: { completed } }).toPromise(),
      );
      const updated = result.data?.updateTask?.task;
      if (updated && isLast) put(saved(updated));
      if (result.error) {
        if (failureCode(result.error) === "NOT_FOUND") takeOut(task.id);
        else if (isLast) put(saved(task));
        fail(result.error, () => void setCompleted(task, completed));
      }
    },
    [client, inOrder, put, takeOut, fail],
  );

  /** Saves what was typed. Resolves to the error, for the form to show beside what it keeps. */
  const update = useCallback(
    async (id: string, patch: TaskPatch, expectedVersion?: number) => {
      const { result } = await inOrder(id, () =>
        client
          .mutation(UpdateTaskDocument, { id, patch, expectedVersion: expectedVersion ?? null })
          .toPromise(),
      );
      const updated = result.data?.updateTask?.task;
      if (updated) put(saved(updated));
      return result.error;
    },
    [client, inOrder, put],
  );

  const restore = useCallback(
    async (task: Task) => {
      putBack({ ...task, trashedAt: null });
      const { result } = await inOrder(task.id, () =>
        client.mutation(RestoreTasksDocument, { ids: [task.id] }).toPromise(),
      );
      const restored = result.data?.restoreTasks?.tasks[0];
      if (restored) putBack(restored);
      if (result.error) {
        putBack(task);
        fail(result.error, () => void restore(task));
      }
      return restored !== undefined;
    },
    [client, inOrder, putBack, fail],
  );

  const trash = useCallback(
    async (task: Task) => {
      const trashed = { ...task, trashedAt: new Date().toISOString() };
      putBack(trashed);
      toast({
        message: `Moved “${task.title}” to the trash.`,
        action: { label: "Undo", run: () => void restore(trashed) },
      });
      const { result } = await inOrder(task.id, () =>
        client.mutation(TrashTasksDocument, { ids: [task.id] }).toPromise(),
      );
      if (result.error) {
        if (failureCode(result.error) === "NOT_FOUND") takeOut(task.id);
        else putBack(task);
        fail(result.error, () => void trash(task));
      }
    },
    [client, inOrder, putBack, takeOut, restore, fail, toast],
  );

  const deleteForGood = useCallback(
    async (task: Task) => {
      takeOut(task.id);
      const { result } = await inOrder(task.id, () =>
        client.mutation(DeleteTasksDocument, { ids: [task.id] }).toPromise(),
      );
      // Not found is what was asked for: someone, perhaps an earlier try, was faster.
      if (!result.error || failureCode(result.error) === "NOT_FOUND") {
        toast({ message: `Deleted “${task.title}” for good.` });
        return;
      }
      putBack(task);
      fail(result.error, () => void deleteForGood(task));
    },
    [client, inOrder, putBack, takeOut, fail, toast],
  );

  return {
    list: lists[view],
    problem,
    isLoadingMore,
    refresh,
    loadMore,
    add,
    create,
    discard,
    setCompleted,
    update,
    trash,
    restore,
    deleteForGood,
    /** Shows a task as the server has it. */
    put: (task: Task) => put(saved(task)),
    takeOut,
  };
}

export type Tasks = ReturnType<typeof useTasks>;
