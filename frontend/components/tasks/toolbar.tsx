"use client";

import { ListChecks, Search, X } from "lucide-react";
import type { Ref } from "react";
import type { Priority } from "@/gql/graphql";
import { PRIORITIES, PRIORITY_NAMES, taskCount } from "./task";
import { useTasks } from "./tasks-context";
import { SORT_NAMES, SORTS, type Sort } from "./view";

// Created once: the toolbar renders again with each change of the tasks.
const ICONS = {
  search: (
    <Search
      aria-hidden="true"
      className="pointer-events-none absolute top-1/2 left-3 size-4 -translate-y-1/2 text-muted"
    />
  ),
  clear: <X aria-hidden="true" className="size-4" />,
  select: <ListChecks aria-hidden="true" className="size-4.5" />,
};

type Props = {
  search: Ref<HTMLInputElement>;
  isSelecting: boolean;
  onSelecting: () => void;
};

/**
 * The title of the view, and the controls for search, filter and order. All of them are in the
 * address.
 */
export function Toolbar({ search, isSelecting, onSelecting }: Props) {
  const { view, title, tasks, show, state } = useTasks();
  return (
    <div className="mb-4">
      <div className="flex items-baseline gap-3">
        <h1
          dir="auto"
          className="truncate text-[1.75rem] leading-tight font-semibold tracking-[-0.02em]"
        >
          {title}
        </h1>
        <p className="shrink-0 text-sm text-muted tabular-nums" role="status">
          {state.isComplete || tasks.length < 50 ? taskCount(tasks.length) : ""}
        </p>
      </div>
      <div className="toolbar mt-3 flex flex-wrap items-center gap-2">
        <div className="relative min-w-44 flex-1 basis-full sm:basis-0">
          {ICONS.search}
          <input
            aria-keyshortcuts="/"
            aria-label="Search"
            autoComplete="off"
            className="h-9 w-full rounded-lg bg-wash pr-9 pl-9 text-sm placeholder:text-muted"
            dir="auto"
            enterKeyHint="search"
            onChange={(event) => show({ ...view, search: event.target.value }, true)}
            onKeyDown={(event) => {
              if (event.key !== "Escape") return;
              if (view.search) show({ ...view, search: "" }, true);
              event.currentTarget.blur();
            }}
            placeholder="Search"
            ref={search}
            type="text"
            value={view.search}
          />
          {view.search && (
            <button
              aria-label="Clear the search"
              className="button-quiet absolute inset-y-0 right-0"
              onClick={() => show({ ...view, search: "" }, true)}
              type="button"
            >
              {ICONS.clear}
            </button>
          )}
        </div>
        <select
          aria-label="Priority"
          className="small-field"
          onChange={(event) =>
            show({ ...view, priority: (event.target.value || null) as Priority | null })
          }
          value={view.priority ?? ""}
        >
          <option value="">Any priority</option>
          {PRIORITIES.map((priority) => (
            <option key={priority} value={priority}>
              {priority === "NONE" ? "No priority" : PRIORITY_NAMES[priority]}
            </option>
          ))}
        </select>
        <select
          aria-label="Sort by"
          className="small-field"
          onChange={(event) => show({ ...view, sort: event.target.value as Sort })}
          value={view.sort}
        >
          {SORTS.map((sort) => (
            <option key={sort} value={sort}>
              {SORT_NAMES[sort]}
            </option>
          ))}
        </select>
        <button
          aria-label="Select several"
          aria-pressed={isSelecting}
          className="button-quiet"
          onClick={onSelecting}
          type="button"
        >
          {ICONS.select}
        </button>
      </div>
    </div>
  );
}
