import { addDays, formatDay, type Task, toIsoDay } from "./task";
import { defaultSort, type View } from "./view";

/** Tasks of a list under one heading. */
export type Group = {
  key: string;
  /** The heading; empty if the list has no groups. */
  name: string;
  /** Whether the heading shows the day on which all tasks of the group are due. */
  isDay: boolean;
  isLate: boolean;
  tasks: readonly Task[];
};

const MONTH = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
const WEEKDAY = new Intl.DateTimeFormat("en-GB", {
  weekday: "long",
  day: "numeric",
  month: "long",
  timeZone: "UTC",
});
const RECENT_DAYS = 7;

/** Return "Friday 4 December", or "Tomorrow · …" for the next day. Another year is added. */
function dayHeading(day: string, today: string): string {
  const year = day.slice(0, 4);
  const weekday = WEEKDAY.format(new Date(`${day}T00:00:00Z`));
  const date = year === today.slice(0, 4) ? weekday : `${weekday} ${year}`;
  const word = formatDay(day, today);
  return word === "Tomorrow" || word === "Today" ? `${word} · ${date}` : date;
}

/** Return the heading for a moment in the past: a day of the last week, or else a month. */
function pastHeading(moment: string, today: string): string {
  const day = toIsoDay(new Date(moment));
  const age = (Date.parse(today) - Date.parse(day)) / 86_400_000;
  if (age < RECENT_DAYS) return age <= 1 ? formatDay(day, today) : dayHeading(day, today);
  return MONTH.format(new Date(`${day}T00:00:00Z`));
}

/** Return when a task was completed or moved to the trash, or null in other lists. */
function momentOf(task: Task, { list }: View): string | null {
  if (list === "completed") return task.completedAt;
  return list === "trash" ? task.trashedAt : null;
}

function headingOf(task: Task, view: View, today: string): string {
  const moment = momentOf(task, view);
  if (moment !== null) return pastHeading(moment, today);
  if (view.list === "today") return (task.dueOn ?? today) < today ? "Overdue" : "Today";
  return view.list === "upcoming" && task.dueOn !== null ? dayHeading(task.dueOn, today) : "";
}

/** Return the tasks of all groups, in their order. */
export function tasksOf(groups: readonly Group[]): readonly Task[] {
  const [only] = groups;
  return only && groups.length === 1 ? only.tasks : groups.flatMap(({ tasks }) => tasks);
}

/** Return labels sorted by name. Labels that differ only in case are one. */
export function sortedLabels(labels: readonly string[]): readonly string[] {
  const names = new Map(labels.map((label) => [label.toLowerCase(), label]));
  return [...names.values()].sort((a, b) => a.localeCompare(b, "en"));
}

/** Return groups with the same places and the latest tasks. A deleted task stays as it was. */
export function refreshedGroups(
  groups: readonly Group[],
  latest: (id: string) => Task | null,
): readonly Group[] {
  return groups.map((group) => ({
    ...group,
    tasks: group.tasks.map((task) => latest(task.id) ?? task),
  }));
}

/**
 * Return the tasks of a view in groups: in Today the overdue ones and the others, in Upcoming by
 * day, in Completed and Trash by the day or month of that event. Other lists, and lists with
 * another order than their default, have one group.
 *
 * @param hasTimeZone whether this code runs in the reader's time zone. Without it the day of a
 * moment is unknown.
 */
export function groupsOf(
  view: View,
  tasks: readonly Task[],
  today: string,
  hasTimeZone: boolean,
): readonly Group[] {
  if (view.list === "all" || view.sort !== defaultSort(view.list))
    return [{ key: "all", name: "", isDay: false, isLate: false, tasks }];
  const groups = new Map<string, Task[]>();
  for (const task of byMoment(view, tasks)) {
    const name = hasTimeZone || isByDueDay(view) ? headingOf(task, view, today) : "";
    const group = groups.get(name);
    if (group) group.push(task);
    else groups.set(name, [task]);
  }
  return [...groups].map(([name, members]) => ({
    key: name || "all",
    name,
    isDay: isByDueDay(view) && name !== "Overdue",
    isLate: name === "Overdue",
    tasks: members,
  }));
}

const isByDueDay = ({ list }: View) => list === "today" || list === "upcoming";

/** Return the tasks of Completed and Trash with the latest first, and others as they are. */
function byMoment(view: View, tasks: readonly Task[]): readonly Task[] {
  if (view.list !== "completed" && view.list !== "trash") return tasks;
  const moment = (task: Task) => momentOf(task, view) ?? "";
  return tasks.toSorted((a, b) => Number(moment(a) < moment(b)) - Number(moment(a) > moment(b)));
}

/** Return the tasks that were completed today, in the time zone of this device. */
export function doneOn(today: string, tasks: readonly Task[]): Task[] {
  const yesterday = addDays(today, -1);
  return tasks.filter(
    ({ completed, completedAt, trashedAt }) =>
      completed &&
      trashedAt === null &&
      completedAt !== null &&
      // This comparison of texts skips most tasks before a date is computed.
      completedAt >= yesterday &&
      toIsoDay(new Date(completedAt)) === today,
  );
}
