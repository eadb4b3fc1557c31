"use client";

import { useTasks } from "./tasks-context";
import type { ListName } from "./view";

const WORDS: Readonly<Record<ListName, { title: string; text: string }>> = {
  all: {
    title: "Nothing left to do",
    text: "Write a task above and press Enter. A date, !high and #home are understood as you type.",
  },
  today: {
    title: "Nothing is due today",
    text: "What is due or late shows here. Type “today” behind a new task to see how.",
  },
  upcoming: {
    title: "Nothing is coming up",
    text: "Give a task a day, such as “friday” or “in two weeks”, and it waits for you here.",
  },
  completed: { title: "Nothing completed yet", text: "Tick a task off and it is kept here." },
  trash: {
    title: "The trash is empty",
    text: "What you throw away stays here for 30 days, so that you can change your mind.",
  },
};

/** A list with nothing in it: why, and what to do about it. */
export function Empty() {
  const { view, show } = useTasks();
  const isNarrowed = view.search || view.label || view.priority;
  const { title, text } = isNarrowed
    ? { title: "No task is like that", text: "Another word may find it, or another view." }
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
          Show all of {view.list === "all" ? "your tasks" : "this view"}
        </button>
      )}
    </div>
  );
}
