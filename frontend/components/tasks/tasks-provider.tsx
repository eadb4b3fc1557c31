"use client";

import {
  type ReactNode,
  useCallback,
  useDeferredValue,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { type Client, useClient } from "urql";
import { goToSignIn } from "@/components/account/signed-out";
import { useSession } from "@/components/graphql/graphql";
import type { Person } from "@/components/offline/offline-copy";
import type { ProjectEdit } from "@/components/projects/noun";
import { idsOf } from "@/components/store/edit";
import { useToast } from "@/components/toasts/toasts";
import { goTo } from "@/lib/history";
import { useHydrated } from "@/lib/use-hydrated";
import { type AppStore, openStore, type Seed } from "./app-store";
import { groupsOf, refreshedGroups, sortedLabels, tasksOf } from "./groups";
import type { TaskEdit } from "./noun";
import type { Task } from "./task";
import { AppContext, TasksContext, useValueOf, ViewContext } from "./tasks-context";
import { localToday } from "./today";
import { useHeld, useHolds } from "./use-hold";
// biome-ignore lint/style/noRestrictedImports: this component provides the store
import { StoreContext } from "./use-store";
import {
  LIST_NAMES,
  listContaining,
  pathOf,
  taskOf,
  type View,
  viewOf,
  viewPredicate,
  viewTitle,
} from "./view";

/** The toast about the latest step replaces the one before. */
const STEP_TOAST = "step";

const NONE: ReadonlySet<string> = new Set();

/**
 * The store of each client, for the next visit of the page: it has the edits that are not saved,
 * their conflicts, and how to undo them.
 */
const stores = new WeakMap<Client, AppStore>();

/** Return where tasks are that the view does not show, of all tasks that were edited. */
function describeLocation(
  tasks: readonly (Task | null)[],
  all: number,
  { view, today }: { view: View; today: string },
): string {
  const lists = tasks.flatMap((task) =>
    task ? [LIST_NAMES[listContaining(task, view.list, today)]] : [],
  );
  const names = [...new Set(lists)].join(" and ");
  if (all === 1) return `It is in ${names}.`;
  if (tasks.length === all) return `They are in ${names}.`;
  return `${tasks.length} ${tasks.length === 1 ? "is" : "are"} in ${names}.`;
}

type Props = {
  person: Person;
  /** The rows that the server rendered; null if the API did not answer. */
  seed: Seed | null;
  today: string;
  view: View;
  children: ReactNode;
};

export function TasksProvider({
  person,
  seed,
  today: serverToday,
  view: serverView,
  children,
}: Props) {
  const client = useClient();
  const { apiUrl, owner, accessToken } = useSession();
  const toast = useToast();
  const [store] = useState(() => {
    const onSessionOver = () => goToSignIn("session-over");
    return (
      stores.get(client) ??
      openStore(client, person, seed, { apiUrl, owner, accessToken, onSessionOver })
    );
  });
  const [today, setToday] = useState(serverToday);
  const [view, setView] = useState(serverView);
  const [recentlyCompleted, setRecentlyCompleted] = useState(NONE);
  const [taskToFocus, setTaskToFocus] = useState<Task | null>(null);
  // In a ref, so that typing in the search field does not render all rows again.
  const latest = useRef({ view, today });
  useEffect(() => {
    latest.current = { view, today };
  }, [view, today]);

  useEffect(() => {
    store.copy.person = person;
  }, [store, person]);

  useEffect(() => {
    stores.set(client, store);
    const stopListening = store.refusals.listen(({ message, retry }) =>
      toast({
        message,
        isError: true,
        ...(retry && { action: { label: "Try again", run: retry } }),
      }),
    );
    const stop = store.start(owner);
    return () => {
      stop();
      stopListening();
    };
  }, [client, store, owner, toast]);

  useEffect(() => {
    const updateToday = () => setToday(localToday());
    updateToday();
    const timer = setInterval(updateToday, 60_000);
    return () => clearInterval(timer);
  }, []);

  useEffect(() => {
    const onBack = () =>
      setView((before) => {
        const after = viewOf(new URLSearchParams(window.location.search));
        return pathOf(after) === pathOf(before) ? before : after;
      });
    window.addEventListener("popstate", onBack);
    return () => window.removeEventListener("popstate", onBack);
  }, []);

  const show = useCallback((next: Partial<View>, replace = false) => {
    const task = replace ? taskOf(new URLSearchParams(window.location.search)) : null;
    const path = pathOf(next, task);
    // The page has all tasks: only the address changes, without a request.
    goTo(path, !replace);
    if (!replace) setRecentlyCompleted(NONE);
    setView(viewOf(new URLSearchParams(path.split("?")[1])));
  }, []);

  const showTask = useCallback(
    (task: Task) => {
      const { view: here, today: now } = latest.current;
      show({ list: listContaining(task, here.list, now) });
      setTaskToFocus({ ...task });
    },
    [show],
  );

  const undo = useCallback(() => {
    const message = store.undo();
    toast({
      name: STEP_TOAST,
      message: message === null ? "Nothing to undo" : `Undone: ${message}`,
    });
  }, [store, toast]);

  const redo = useCallback(() => {
    const message = store.redo();
    toast({
      name: STEP_TOAST,
      message: message === null ? "Nothing to redo" : `Redone: ${message}`,
    });
  }, [store, toast]);

  const act = useCallback(
    (edits: readonly (TaskEdit | ProjectEdit)[], message: string, isQuiet = false) => {
      const isListed = viewPredicate(latest.current.view, latest.current.today);
      const visibleIds = edits
        .filter(({ noun }) => noun === "tasks")
        // The messages of these two say where the task is now.
        .filter(({ kind }) => kind !== "trash" && kind !== "delete")
        .flatMap(idsOf)
        .filter((id) => {
          const task = store.tables.tasks.get(id);
          return task === null || isListed(task);
        });
      store.act(edits, message);
      const completedIds = edits.flatMap((edit) =>
        edit.noun === "tasks" && edit.kind === "set-many" && edit.patch.completed ? edit.ids : [],
      );
      if (completedIds.length > 0)
        setRecentlyCompleted((before) => new Set([...before, ...completedIds]));
      const hiddenTasks = visibleIds
        .filter((id) => !completedIds.includes(id))
        .map((id) => store.tables.tasks.get(id))
        .filter((task) => task !== null && !isListed(task));
      const [first] = hiddenTasks;
      const action = { label: "Undo", run: undo };
      if (first) {
        const location = describeLocation(hiddenTasks, visibleIds.length, latest.current);
        const text = `${message}. ${location}`;
        toast({ name: STEP_TOAST, message: text, action, show: () => showTask(first) });
      } else if (!isQuiet) toast({ name: STEP_TOAST, message, action });
    },
    [store, toast, undo, showTask],
  );

  const projectName = useValueOf(store, ({ tables }) =>
    view.project === null ? undefined : tables.projects.get(view.project)?.name,
  );
  const title = viewTitle(view, projectName);

  useEffect(() => {
    document.title = `${title} · Bearer Tasks`;
  }, [title]);

  const deferredView = useDeferredValue(view);
  const isHydrated = useHydrated();
  const { isHeld, hold } = useHolds();
  const { sort } = deferredView;
  const rows = useValueOf(store, ({ tables }) => tables.tasks.ordered(sort));
  const latestGroups = useMemo(() => {
    const isListed = viewPredicate(deferredView, today);
    const listed = rows.filter((task) => {
      // A task that was just completed stays visible until another view is shown.
      const isOpen = deferredView.list !== "completed" && recentlyCompleted.has(task.id);
      return isListed(isOpen ? { ...task, completed: false } : task);
    });
    return groupsOf(deferredView, listed, today, isHydrated);
  }, [rows, deferredView, today, recentlyCompleted, isHydrated]);
  const groups = useHeld(latestGroups, isHeld, deferredView, (before) =>
    refreshedGroups(before, (id) => store.tables.tasks.get(id)),
  );
  const tasks = useMemo(() => tasksOf(groups), [groups]);
  const names = useValueOf(store, ({ tables }) => tables.tasks.tally.values("label"));
  const labels = useMemo(() => sortedLabels(names), [names]);

  const app = useMemo(
    () => ({
      today,
      show,
      showTask,
      act,
      undo,
      redo,
      tryNow: () => void store.tryNow(),
      resolveConflict: (keep: "mine" | "theirs") => store.resolveConflict(keep),
      hold,
    }),
    [store, today, show, showTask, act, undo, redo, hold],
  );
  const viewState = useMemo(() => ({ view, title, labels, isHeld }), [view, title, labels, isHeld]);
  const listed = useMemo(
    () => ({ groups, tasks, recentlyCompleted, taskToFocus }),
    [groups, tasks, recentlyCompleted, taskToFocus],
  );
  return (
    <StoreContext value={store}>
      <AppContext value={app}>
        <ViewContext value={viewState}>
          <TasksContext value={listed}>{children}</TasksContext>
        </ViewContext>
      </AppContext>
    </StoreContext>
  );
}
