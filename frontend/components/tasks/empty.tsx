"use client";

import { useTasks } from "./tasks-context";
import type { ListName } from "./view";

const WORDS: Readonly<Record<ListName, { title: string; text: string }>> = {
  all: {
    title: "No open tasks",
    text: "Type a task above and press Enter. Dates, !high and #home are recognized as you type.",
  },
  today: {
    title: "Nothing is due today",
    text: "Tasks that are due today or overdue appear here. Add “today” to a new task to try it.",
  },
  upcoming: {
    title: "No upcoming tasks",
    text: "Tasks that are due later appear here. Add “friday” or “in two weeks” to a new task.",
  },
  completed: { title: "Nothing completed yet", text: "Completed tasks appear here." },
  trash: {
    title: "The trash is empty",
    text: "You can restore tasks for 30 days.",
  },
};

/** Explains why a list is empty and what to do. */
function Empty() {
  const { view, show } = useTasks();
  const isNarrowed = view.search || view.label || view.priority;
  const { title, text } = isNarrowed
    ? { title: "No matching tasks", text: "Try another word, or clear the filters." }
    : WORDS[view.list];
  return (
    <div className="px-6 py-16 text-center">
      <svg aria-hidden="true" className="mx-auto mb-5 h-16 w-24 text-edge/60" viewBox="0 0 96 64">
        <g fill="none" stroke="currentColor" strokeLinecap="round" strokeWidth="2">
          <circle cx="12" cy="14" r="6" />
          <path d="M28 14h56" />
          <circle cx="12" cy="34" r="6" />
          <path d="M28 34h38" />
          <circle className="stroke-accent" cx="12" cy="54" r="6" />
          <path className="stroke-accent" d="M9 54l2.4 2.4L15.5 52M28 54h22" />
        </g>
      </svg>
      <p className="font-semibold">{title}</p>
      <p className="mx-auto mt-1 max-w-sm text-sm text-balance text-muted">{text}</p>
      {isNarrowed && (
        <button className="button mt-4" onClick={() => show({ list: view.list })} type="button">
          Clear filters
        </button>
      )}
    </div>
  );
}

/** An empty list, or a placeholder while the tasks are not known yet. */
export function EmptyOrLoading({ isKnown }: { isKnown: boolean }) {
  if (isKnown) return <Empty />;
  return (
    <div aria-busy="true" aria-label="Loading tasks" className="mt-4 grid gap-px" role="status">
      {["w-3/5", "w-2/5", "w-1/2", "w-2/3"].map((width) => (
        <div className="flex h-11 items-center gap-3.5 px-2" key={width}>
          <span className="size-5 rounded-full bg-line" />
          <span className={`h-3 rounded bg-line ${width}`} />
        </div>
      ))}
    </div>
  );
}
