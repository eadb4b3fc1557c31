import type { Priority, TaskFilter, TaskOrder } from "@/gql/graphql";
import { addDays, PRIORITIES, rankOf, type Task } from "./task";

export const LISTS = ["today", "upcoming", "all", "completed", "trash"] as const;
export type ListName = (typeof LISTS)[number];

export const LIST_NAMES: Readonly<Record<ListName, string>> = {
  today: "Today",
  upcoming: "Upcoming",
  all: "All",
  completed: "Completed",
  trash: "Trash",
};

export const SORTS = ["manual", "due", "priority", "newest", "title"] as const;
export type Sort = (typeof SORTS)[number];

export const SORT_NAMES: Readonly<Record<Sort, string>> = {
  manual: "My order",
  due: "Due date",
  priority: "Priority",
  newest: "Newest",
  title: "Title",
};

/** What the address says is to be seen. */
export type View = {
  list: ListName;
  label: string | null;
  priority: Priority | null;
  search: string;
  sort: Sort;
};

const SORT_OF_LIST: Readonly<Record<ListName, Sort>> = {
  today: "due",
  upcoming: "due",
  all: "manual",
  completed: "newest",
  trash: "newest",
};

type Query = { get: (name: string) => string | null };

/** Never throws: what an address says wrong is as if it were not said. */
export function viewOf(query: Query): View {
  const list = LISTS.find((one) => one === query.get("view")) ?? "all";
  return {
    list,
    label: query.get("label") || null,
    priority: PRIORITIES.find((one) => one === query.get("priority")) ?? null,
    search: query.get("q") ?? "",
    sort: SORTS.find((one) => one === query.get("sort")) ?? SORT_OF_LIST[list],
  };
}

export function pathOf(view: Partial<View>): string {
  const { list = "all", label, priority, search, sort } = view;
  const query = new URLSearchParams();
  if (list !== "all") query.set("view", list);
  if (label) query.set("label", label);
  if (priority) query.set("priority", priority);
  if (search) query.set("q", search);
  if (sort && sort !== SORT_OF_LIST[list]) query.set("sort", sort);
  return query.size > 0 ? `/tasks?${query}` : "/tasks";
}

/** Whether a view is a list that the page leads to, as it is or filtered, and not one label's tasks. */
export const isListView = ({ list, label }: View): boolean => label === null || list !== "all";

/** A view in words, for its heading and the page's title. A filter by priority stands beside it. */
export function viewTitle(view: View): string {
  if (view.label === null) return LIST_NAMES[view.list];
  return isListView(view) ? `${LIST_NAMES[view.list]} · ${view.label}` : view.label;
}

// What the API takes of a search. The browser has all tasks soon, and looks for every word.
const MAX_WORDS = 10;
const MAX_CHARACTERS = 200;

/** The same question as the API answers it, for the page that the server renders. */
export function toQueryVariables(
  view: View,
  today: string,
): { filter: TaskFilter; orderBy: TaskOrder } {
  const filter: TaskFilter = { status: ["OPEN"] };
  if (view.list === "today") filter.dueTo = today;
  if (view.list === "upcoming") filter.dueFrom = addDays(today, 1);
  if (view.list === "completed") filter.status = ["COMPLETED"];
  if (view.list === "trash") filter.status = ["TRASHED"];
  if (view.label) filter.labels = [view.label];
  if (view.priority) filter.priority = [view.priority];
  const words = view.search.split(/\s+/).filter(Boolean).slice(0, MAX_WORDS);
  if (words.length) filter.search = Array.from(words.join(" ")).slice(0, MAX_CHARACTERS).join("");
  const orders: Record<Sort, TaskOrder> = {
    manual: { field: "POSITION", direction: "ASC" },
    due: { field: "DUE_ON", direction: "ASC" },
    priority: { field: "PRIORITY", direction: "DESC" },
    newest: { field: "CREATED_AT", direction: "DESC" },
    title: { field: "TITLE", direction: "ASC" },
  };
  return { filter, orderBy: orders[view.sort] };
}

function isInList(task: Task, list: ListName, today: string): boolean {
  if (list === "trash") return task.trashedAt !== null;
  if (task.trashedAt !== null) return false;
  if (list === "completed") return task.completed;
  if (task.completed) return false;
  if (list === "all") return true;
  if (task.dueOn === null) return false;
  return list === "today" ? task.dueOn <= today : task.dueOn > today;
}

const searchTexts = new WeakMap<Task, string>();

function searchTextOf(task: Task): string {
  let text = searchTexts.get(task);
  if (text === undefined) {
    text = [task.title, task.description, ...task.labels].join("\n").toLowerCase();
    searchTexts.set(task, text);
  }
  return text;
}

const equalsIgnoreCase = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

/** Tells of tasks whether a view lists them. Made once for many: it is asked of all with each change. */
export function viewPredicate(view: View, today: string): (task: Task) => boolean {
  const { list, priority, label } = view;
  const words = view.search.toLowerCase().split(/\s+/).filter(Boolean);
  return (task) =>
    isInList(task, list, today) &&
    (!priority || task.priority === priority) &&
    (!label || task.labels.some((one) => equalsIgnoreCase(one, label))) &&
    words.every((word) => searchTextOf(task).includes(word));
}

/** The list in which a task is found: this one when it lists the task, or else the closest to it. */
export function listContaining(task: Task, list: ListName, today: string): ListName {
  const places = [list, "today", "upcoming", "all", "completed", "trash"] as const;
  return places.find((one) => isInList(task, one, today)) ?? "all";
}

const collator = new Intl.Collator("en", { numeric: true });

const compareText = (a: string, b: string) => (a < b ? -1 : Number(a > b));
const byPosition = (a: Task, b: Task) =>
  compareText(a.position, b.position) || compareText(a.id, b.id);

const COMPARE: Readonly<Record<Sort, (a: Task, b: Task) => number>> = {
  manual: byPosition,
  due: (a, b) => compareText(a.dueOn ?? "~", b.dueOn ?? "~") || byPosition(a, b),
  priority: (a, b) => rankOf(a.priority) - rankOf(b.priority) || byPosition(a, b),
  newest: (a, b) => compareText(b.createdAt, a.createdAt) || compareText(b.id, a.id),
  title: (a, b) => collator.compare(a.title, b.title) || compareText(a.id, b.id),
};

/**
 * Puts tasks into an order. Given what an earlier call returned, with some tasks replaced, it is done
 * in one pass over them: engines sort runs that are in order already by looking at them once.
 */
export function sorted(tasks: Task[], sort: Sort): Task[] {
  return tasks.sort(COMPARE[sort]);
}
