import type { Priority, TaskFieldsFragment } from "@/gql/graphql";
import { isolateText } from "./text";

export type Task = TaskFieldsFragment;

/** In the order of menus, the most urgent first. */
export const PRIORITIES = ["URGENT", "HIGH", "MEDIUM", "LOW", "NONE"] as const;

export const PRIORITY_NAMES: Readonly<Record<Priority, string>> = {
  URGENT: "Urgent",
  HIGH: "High",
  MEDIUM: "Medium",
  LOW: "Low",
  NONE: "None",
};

/** Return "1 task", or "12 tasks". */
export const taskCount = (count: number) =>
  count === 1 ? "1 task" : `${count.toLocaleString("en")} tasks`;

export const rankOf = (priority: Priority) => PRIORITIES.indexOf(priority);

/** Return a date's day in the local time zone: YYYY-MM-DD. */
export function toIsoDay(moment: Date): string {
  const month = String(moment.getMonth() + 1).padStart(2, "0");
  return `${moment.getFullYear()}-${month}-${String(moment.getDate()).padStart(2, "0")}`;
}

export function addDays(day: string, days: number): string {
  const moment = new Date(`${day}T00:00:00Z`);
  moment.setUTCDate(moment.getUTCDate() + days);
  return moment.toISOString().slice(0, 10);
}

const WEEKDAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", timeZone: "UTC" });
const DAY_AND_MONTH = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  timeZone: "UTC",
});
const FULL_DATE = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZone: "UTC",
});

/** Return a due date in words: "Yesterday", "Today", "Friday", "3 Dec". */
export function formatDay(day: string, today: string): string {
  if (day === today) return "Today";
  if (day === addDays(today, 1)) return "Tomorrow";
  if (day === addDays(today, -1)) return "Yesterday";
  const moment = new Date(`${day}T00:00:00Z`);
  if (day > today && day < addDays(today, 7)) return WEEKDAY.format(moment);
  return (day.slice(0, 4) === today.slice(0, 4) ? DAY_AND_MONTH : FULL_DATE).format(moment);
}

/** Return how soon a task is due, which determines the color of its date. */
export function nearness(dueOn: string, today: string): string {
  if (dueOn < today) return "late";
  if (dueOn === today) return "today";
  return dueOn === addDays(today, 1) ? "tomorrow" : "later";
}

/** Return a description of what a row shows besides the title, for screen readers. */
export function describeTask({ completed, priority, dueOn, labels }: Task, today: string): string {
  const day = dueOn === null ? "" : formatDay(dueOn, today);
  const isNear = ["Today", "Tomorrow", "Yesterday"].includes(day);
  const isOverdue = dueOn !== null && dueOn < today && !completed;
  const parts = [
    completed && "Completed",
    priority !== "NONE" && `${PRIORITY_NAMES[priority]} priority`,
    day && `${isOverdue ? "Late: due" : "Due"} ${isNear ? day.toLowerCase() : day}`,
    labels.length > 0 && `Labels: ${labels.map(isolateText).join(", ")}`,
  ];
  return parts.flatMap((part) => (part ? [`${part}.`] : [])).join(" ");
}

/** Return the first line of a description, without Markdown syntax. */
export function excerpt(description: string): string {
  const line = description.split("\n").find((one) => /[\p{L}\p{N}]/u.test(one)) ?? "";
  return line.replace(/^\s*(?:[#>]+|[-*+]|\d+\.)\s+/, "").replace(/[*_`]{1,3}/g, "");
}
