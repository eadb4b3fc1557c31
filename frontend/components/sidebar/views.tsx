"use client";

import { CalendarDays, CircleCheck, Inbox, Sun, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import type { AppStore } from "@/components/tasks/app-store";
import { LabelDot } from "@/components/tasks/label-dot";
import { useApp, useStored, useView } from "@/components/tasks/tasks-context";
import { isListView, LIST_NAMES, LISTS, type ListName } from "@/components/tasks/view";
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

/** Return the number of open tasks in each list. */
function useCounts(): Partial<Record<ListName, number>> {
  const { today } = useApp();
  const countDue = (isIncluded: (day: string) => boolean) => (store: AppStore) => {
    const { tally } = store.tables.tasks;
    const days = tally.values("due").filter(isIncluded);
    return days.reduce((sum, day) => sum + tally.count("due", day), 0);
  };
  return {
    today: useStored(countDue((day) => day <= today)),
    upcoming: useStored(countDue((day) => day > today)),
    all: useStored(({ tables }) => tables.tasks.tally.count("open", "")),
  };
}
