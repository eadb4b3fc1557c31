import { createContext, useContext, useSyncExternalStore } from "react";
import type { ProjectEdit } from "@/components/projects/noun";
import type { AppStore } from "./app-store";
import type { Group } from "./groups";
import type { TaskEdit } from "./noun";
import type { Task } from "./task";
import { useStore } from "./use-store";
import type { View } from "./view";

/*
 * The values that the components of the tasks page share. There is one context for the actions and
 * the current day, one for values that change with the view, and one for those that change with
 * each edit of a task. So an edit does not render the components that only act on tasks, such as
 * the 500 projects of the sidebar.
 */

/** The actions of the page, which never change, and the current day. */
export type App = {
  /** The current day in the reader's time zone, YYYY-MM-DD. */
  today: string;
  /** Changes the view. `replace` adds no entry to the browser's history. */
  show: (view: Partial<View>, replace?: boolean) => void;
  /** Shows a list that contains the task. */
  showTask: (task: Task) => void;
  /**
   * Performs edits and shows a message with an Undo button. `isQuiet` shows it only if a task left
   * the view.
   */
  act: (edits: readonly (TaskEdit | ProjectEdit)[], message: string, isQuiet?: boolean) => void;
  undo: () => void;
  redo: () => void;
  /** Sends and reads at once, without waiting for the end of the pause after a failure. */
  tryNow: () => void;
  /** Resolves the first conflict as the person chose. */
  resolveConflict: (keep: "mine" | "theirs") => void;
  /** Keeps rows in their places until the returned function is called. */
  hold: () => () => void;
};

/** The view, and what is the same for all of its tasks. */
export type ViewState = {
  view: View;
  /** The title of the view: the name of its list, project or label. */
  title: string;
  /** All labels in use, sorted by name. */
  labels: readonly string[];
  /** Whether rows keep their places, because the person renames or drags one. */
  isHeld: boolean;
};

/** The tasks of the view. */
export type ListedTasks = {
  /** The tasks of the view, in its groups. */
  groups: readonly Group[];
  /** The tasks of all groups, in their order. */
  tasks: readonly Task[];
  /** Tasks that were completed since the view was shown. They keep their places. */
  recentlyCompleted: ReadonlySet<string>;
  /** The task that `showTask` showed last. It gets the focus. */
  taskToFocus: Task | null;
};

export const AppContext = createContext<App | null>(null);
export const ViewContext = createContext<ViewState | null>(null);
export const TasksContext = createContext<ListedTasks | null>(null);

function inProvider<T>(value: T | null): T {
  if (value === null) throw new Error("The component is outside TasksProvider");
  return value;
}

export const useApp = (): App => inProvider(useContext(AppContext));
export const useView = (): ViewState => inProvider(useContext(ViewContext));
export const useTasks = (): ListedTasks => inProvider(useContext(TasksContext));

type Read<R> = (store: AppStore) => R;

/** Return a value of a store. The component renders again when the store has another value. */
export function useValueOf<R>(store: AppStore, read: Read<R>): R {
  const get = () => read(store);
  return useSyncExternalStore(store.subscribe, get, get);
}

/**
 * Return a value of the store of the page. The component renders again when the store has another
 * value.
 *
 * @param read returns the same object until the value changes. The rows and their orders are such
 * objects.
 */
export const useStored = <R>(read: Read<R>): R => useValueOf(useStore(), read);
