"use client";

import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useDeferredValue,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { useClient } from "urql";
import { goToSignIn } from "@/components/account/signed-out";
import { useSession } from "@/components/graphql/graphql";
import type { Person } from "@/components/offline/offline-copy";
import type { ProjectEdit } from "@/components/projects/noun";
import { idsOf } from "@/components/store/edit";
import type { State } from "@/components/store/state";
import { useToast } from "@/components/toasts/toasts";
import { goTo } from "@/lib/history";
import { useHydrated } from "@/lib/use-hydrated";
import { type AppStore, openStore, type Seed } from "./app-store";
import { type Group, groupsOf, refreshedGroups } from "./groups";
import type { TaskEdit } from "./noun";
import type { Task } from "./task";
import { localToday } from "./today";
import { useHeld, useHolds } from "./use-hold";
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

type Context = {
  store: AppStore;
  state: State;
  /** The current day in the reader's time zone, YYYY-MM-DD. */
  today: string;
  view: View;
  /** The title of the view: the name of its list, project or label. */
  title: string;
  /** The tasks of the view, in its groups. */
  groups: readonly Group[];
  /** The tasks of all groups, in their order. */
  tasks: readonly Task[];
  /** Tasks that were completed since the view was shown. They keep their places. */
  recentlyCompleted: ReadonlySet<string>;
  /** All labels in use, by name. */
  labels: readonly string[];
  /** Changes the view. `replace` adds no entry to the browser's history. */
  show: (view: Partial<View>, replace?: boolean) => void;
  /** Shows a list that contains the task. */
  showTask: (task: Task) => void;
  /** The task that `showTask` showed last. It gets the focus. */
  taskToFocus: Task | null;
  /**
   * Performs edits and shows a message with an Undo button. `isQuiet` shows it only if a task left
   * the view.
   */
  act: (edits: readonly (TaskEdit | ProjectEdit)[], message: string, isQuiet?: boolean) => void;
  undo: () => void;
  redo: () => void;
  /** Whether rows keep their places, because the person renames or drags one. */
  isHeld: boolean;
  /** Keeps rows in their places until the returned function is called. */
  hold: () => () => void;
};

const TasksContext = createContext<Context | null>(null);

export function useTasks(): Context {
  const context = useContext(TasksContext);
  if (!context) throw new Error("useTasks is used outside TasksProvider");
  return context;
}

/** The toast about the latest step replaces the one before. */
const STEP_TOAST = "step";

const NONE: ReadonlySet<string> = new Set();

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
    return openStore(client, person, seed, { apiUrl, owner, accessToken, onSessionOver });
  });
  const state = useSyncExternalStore(store.subscribe, store.state, store.state);
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
    store.onRefusal = ({ message, retry }) =>
      toast({
        message,
        isError: true,
        ...(retry && { action: { label: "Try again", run: retry } }),
      });
    return store.start(owner);
  }, [store, owner, toast]);

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
        .filter(({ kind }) => kind !== "trash" && kind !== "delete") // their messages say where the task is now
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

  const project = view.project === null ? null : store.tables.projects.get(view.project);
  const title = viewTitle(view, project?.name);

  useEffect(() => {
    document.title = `${title} · Bearer Tasks`;
  }, [title]);

  const deferredView = useDeferredValue(view);
  const isHydrated = useHydrated();
  const { isHeld, hold } = useHolds();
  const { revision } = state;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the store's tasks change with its revision
  const latestGroups = useMemo(() => {
    const isListed = viewPredicate(deferredView, today);
    const listed = store.tables.tasks.ordered(deferredView.sort).filter((task) => {
      // A task that was just completed stays visible until another view is shown.
      const isOpen = deferredView.list !== "completed" && recentlyCompleted.has(task.id);
      return isListed(isOpen ? { ...task, completed: false } : task);
    });
    return groupsOf(deferredView, listed, today, isHydrated);
  }, [store, deferredView, today, revision, recentlyCompleted, isHydrated]);
  const groups = useHeld(latestGroups, isHeld, deferredView, (before) =>
    refreshedGroups(before, (id) => store.tables.tasks.get(id)),
  );
  const tasks = useMemo(() => groups.flatMap((group) => group.tasks), [groups]);
  // The navigation may render a frame later than the list.
  const deferredRevision = useDeferredValue(revision);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same
  const labels = useMemo(() => {
    const names = new Map<string, string>();
    for (const task of store.tables.tasks.ordered("manual")) {
      if (task.trashedAt !== null) continue;
      for (const label of task.labels) names.set(label.toLowerCase(), label);
    }
    return [...names.values()].sort((a, b) => a.localeCompare(b, "en"));
  }, [store, deferredRevision]);

  const context = useMemo(
    () => ({
      store,
      state,
      today,
      view,
      groups,
      title,
      tasks,
      recentlyCompleted,
      labels,
      show,
      showTask,
      taskToFocus,
      act,
      undo,
      redo,
      isHeld,
      hold,
    }),
    [
      store,
      state,
      today,
      view,
      title,
      groups,
      tasks,
      recentlyCompleted,
      labels,
      show,
      showTask,
      taskToFocus,
      act,
      undo,
      redo,
      isHeld,
      hold,
    ],
  );
  return <TasksContext value={context}>{children}</TasksContext>;
}
