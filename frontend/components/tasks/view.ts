import { byPosition, compareText } from "@/components/store/order";
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

/** What the page shows, as the address says. */
export type View = {
  list: ListName;
  label: string | null;
  /** The id of a project. */
  project: string | null;
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

/** Return the order of a list for which the address has no other. */
export const defaultSort = (list: ListName): Sort => SORT_OF_LIST[list];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

type Query = { get: (name: string) => string | null };

/** Parse the query of an address. Invalid values are ignored. */
export function viewOf(query: Query): View {
  const list = LISTS.find((one) => one === query.get("view")) ?? "all";
  return {
    list,
    label: query.get("label") || null,
    project: UUID.exec(query.get("project") ?? "")?.[0] ?? null,
    priority: PRIORITIES.find((one) => one === query.get("priority")) ?? null,
    search: query.get("q") ?? "",
    sort: SORTS.find((one) => one === query.get("sort")) ?? SORT_OF_LIST[list],
  };
}

/** Return the id of the open task in the query of an address. */
export const taskOf = (query: Query): string | null => query.get("task") || null;

/** Return the address of a view, and of the task that is open in it. */
export function pathOf(view: Partial<View>, task: string | null = null): string {
  const { list = "all", label, project, priority, search, sort } = view;
  const query = new URLSearchParams();
  if (list !== "all") query.set("view", list);
  if (project) query.set("project", project);
  if (label) query.set("label", label);
  if (priority) query.set("priority", priority);
  if (search) query.set("q", search);
  if (sort && sort !== SORT_OF_LIST[list]) query.set("sort", sort);
  if (task) query.set("task", task);
  return query.size > 0 ? `/tasks?${query}` : "/tasks";
}

/**
 * Whether a view is one of the lists, which may be filtered. All tasks of a project or of a label
 * are another view.
 */
export const isListView = ({ list, label, project }: View): boolean =>
  list !== "all" || (label === null && project === null);

/**
 * Return the title of a view. A priority filter is not part of it.
 *
 * @param projectName the name of the view's project, if it is known.
 */
export function viewTitle(view: View, projectName = "Project"): string {
  const { list, label, project } = view;
  const parts = [project !== null && projectName, label].filter(Boolean);
  return (isListView(view) ? [LIST_NAMES[list], ...parts] : parts).join(" · ");
}

// The API's limits for a search. The browser, which soon has all tasks, has no limits.
const MAX_WORDS = 10;
const MAX_CHARACTERS = 200;

/** Return the variables of the query with which the server renders the view's first page. */
export function toQueryVariables(
  view: View,
  today: string,
): { filter: TaskFilter; orderBy: TaskOrder } {
  const filter: TaskFilter = { status: ["OPEN"] };
  if (view.list === "today") filter.dueTo = today;
  if (view.list === "upcoming") filter.dueFrom = addDays(today, 1);
  if (view.list === "completed") filter.status = ["COMPLETED"];
  if (view.list === "trash") filter.status = ["TRASHED"];
  if (view.project) filter.projectIds = [view.project];
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

export function isInList(task: Task, list: ListName, today: string): boolean {
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

/**
 * Return a function that tells whether a view contains a task. Creating it once is faster for many
 * tasks.
 */
export function viewPredicate(view: View, today: string): (task: Task) => boolean {
  const { list, priority, label, project } = view;
  const words = view.search.toLowerCase().split(/\s+/).filter(Boolean);
  return (task) =>
    isInList(task, list, today) &&
    (!project || task.project?.id === project) &&
    (!priority || task.priority === priority) &&
    (!label || task.labels.some((one) => equalsIgnoreCase(one, label))) &&
    words.every((word) => searchTextOf(task).includes(word));
}

/** Return a list that contains the task: the current one if possible, else the most specific. */
export function listContaining(task: Task, list: ListName, today: string): ListName {
  const places = [list, "today", "upcoming", "all", "completed", "trash"] as const;
  return places.find((one) => isInList(task, one, today)) ?? "all";
}

const collator = new Intl.Collator("en", { numeric: true });

const COMPARE: Readonly<Record<Sort, (a: Task, b: Task) => number>> = {
  manual: byPosition,
  due: (a, b) => compareText(a.dueOn ?? "~", b.dueOn ?? "~") || byPosition(a, b),
  priority: (a, b) => rankOf(a.priority) - rankOf(b.priority) || byPosition(a, b),
  newest: (a, b) => compareText(b.createdAt, a.createdAt) || compareText(b.id, a.id),
  title: (a, b) => collator.compare(a.title, b.title) || compareText(a.id, b.id),
};

export function compareTasks(sort: Sort, a: Task, b: Task): number {
  return COMPARE[sort](a, b);
}
