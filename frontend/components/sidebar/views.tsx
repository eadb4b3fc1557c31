"use client";

import { CalendarDays, CircleCheck, Inbox, Sun, Trash2 } from "lucide-react";
import { type ReactNode, useDeferredValue, useMemo } from "react";
import { LabelDot } from "@/components/tasks/label-dot";
import { useApp, useStored, useView } from "@/components/tasks/tasks-context";
import { isInList, isListView, LIST_NAMES, LISTS, type ListName } from "@/components/tasks/view";
import { Projects } from "./projects";
import { ViewLink } from "./view-link";

const ICON_PROPS = { "aria-hidden": true, className: "size-4 shrink-0" } as const;

// Created once, so that React does not render them again.
const ICONS: Readonly<Record<ListName, ReactNode>> = {
  today: <Sun {...ICON_PROPS} />,
  upcoming: <CalendarDays {...ICON_PROPS} />,
  all: <Inbox {...ICON_PROPS} />,
  completed: <CircleCheck {...ICON_PROPS} />,
  trash: <Trash2 {...ICON_PROPS} />,
};

const COUNTED_LISTS: readonly ListName[] = ["today", "upcoming", "all"];

/** The navigation between lists, projects and labels. */
export function Views() {
  const { view, labels } = useView();
  const isComplete = useStored((store) => store.state().isComplete);
  const counts = useCounts();
  return (
    <nav aria-label="Views" className="views">
      <ul>
        {LISTS.map((list) => {
          const count = counts[list] ?? 0;
          return (
            <li key={list}>
              <ViewLink isCurrent={isListView(view) && view.list === list} view={{ list }}>
                {ICONS[list]}
                {LIST_NAMES[list]}
                {isComplete && count > 0 && (
                  <span aria-hidden="true" className="view-count">
                    {count}
                  </span>
                )}
              </ViewLink>
            </li>
          );
        })}
      </ul>
      <Projects />
      {labels.length > 0 && (
        <>
          <h2 className="views-heading">Labels</h2>
          <ul>
            {labels.map((label) => (
              <li key={label}>
                <ViewLink
                  isCurrent={!isListView(view) && view.project === null && view.label === label}
                  view={{ list: "all", label }}
                >
                  <LabelDot label={label} />
                  <bdi className="truncate">{label}</bdi>
                </ViewLink>
              </li>
            ))}
          </ul>
        </>
      )}
    </nav>
  );
}

function useCounts(): Partial<Record<ListName, number>> {
  const { today } = useApp();
  const latest = useStored(({ tables }) => tables.tasks.ordered("manual"));
  // The navigation may render a frame later than the list.
  const tasks = useDeferredValue(latest);
  return useMemo(() => {
    const counts: Partial<Record<ListName, number>> = {};
    for (const list of COUNTED_LISTS) {
      let count = 0;
      for (const task of tasks) count += Number(isInList(task, list, today));
      counts[list] = count;
    }
    return counts;
  }, [tasks, today]);
}
