"use client";

import { ListChecks, PanelLeft, Search, SlidersHorizontal, X } from "lucide-react";
import { memo, type Ref } from "react";
import { choiceOf } from "@/components/appearance/choices";
import { useChoice } from "@/components/appearance/use-choice";
import { MenuButton, type MenuEntry } from "@/components/menu/menu-button";
import { ProjectDescription } from "@/components/projects/project-description";
import { ProjectDot } from "@/components/projects/project-dot";
import { useProjects } from "@/components/projects/use-projects";
import { PRIORITIES, PRIORITY_NAMES, taskCount } from "./task";
import { useApp, useStored, useTasks, useView } from "./tasks-context";
import { defaultSort, SORT_NAMES, SORTS } from "./view";

// Created once, because `ListHead` renders again with each change of the tasks.
const ICONS = {
  sidebar: <PanelLeft aria-hidden="true" className="size-4.5" />,
  search: <Search aria-hidden="true" className="search-icon" />,
  clear: <X aria-hidden="true" className="size-4" />,
  filter: <SlidersHorizontal aria-hidden="true" className="size-4.5" />,
  select: <ListChecks aria-hidden="true" className="size-4.5" />,
};

const PRIORITY_OPTIONS = [
  { value: "", name: "Any priority" },
  ...PRIORITIES.map((value) => ({
    value,
    name: value === "NONE" ? "No priority" : PRIORITY_NAMES[value],
  })),
];
const SORT_OPTIONS = SORTS.map((value) => ({ value, name: SORT_NAMES[value] }));
const DENSITY_OPTIONS = [
  { value: "comfortable", name: "Comfortable" },
  { value: "compact", name: "Compact" },
];

type Props = {
  search: Ref<HTMLInputElement>;
  isSelecting: boolean;
  onSelecting: () => void;
  onSidebar: () => void;
};

/**
 * The title of the view, its search, and a menu to filter and sort. The URL contains all of these.
 */
export function ListHead({ search, isSelecting, onSelecting, onSidebar }: Props) {
  const { show } = useApp();
  const { view, title } = useView();
  const { tasks } = useTasks();
  const isComplete = useStored((store) => store.state().isComplete);
  const project = useStored(({ tables }) =>
    view.project === null ? null : tables.projects.get(view.project),
  );
  return (
    <>
      <div className="list-head">
        <button
          aria-keyshortcuts="m"
          aria-label="Show the sidebar"
          className="sidebar-button button-quiet"
          onClick={onSidebar}
          title="Show the sidebar"
          type="button"
        >
          {ICONS.sidebar}
        </button>
        {project && <ProjectDot color={project.color} />}
        <h1 className="list-title truncate" dir="auto">
          {title}
        </h1>
        <p className="shrink-0 text-sm text-muted" role="status">
          {isComplete || tasks.length < 50 ? taskCount(tasks.length) : ""}
        </p>
        <div className="list-tools">
          <div className="search">
            {ICONS.search}
            <input
              aria-keyshortcuts="/"
              aria-label="Search"
              autoComplete="off"
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
                className="button-quiet"
                onClick={() => show({ ...view, search: "" }, true)}
                type="button"
              >
                {ICONS.clear}
              </button>
            )}
          </div>
          <FilterMenu />
          <button
            aria-label="Select several"
            aria-pressed={isSelecting}
            className="button-quiet"
            onClick={onSelecting}
            title="Select several"
            type="button"
          >
            {ICONS.select}
          </button>
        </div>
      </div>
      <Filters />
      {project && view.list === "all" && <ProjectDescription key={project.id} project={project} />}
    </>
  );
}

const FilterMenu = memo(() => {
  const { show } = useApp();
  const { view } = useView();
  const { active } = useProjects();
  const [density, setDensity] = useChoice("density");
  const entries: MenuEntry[] = [
    {
      name: "Sort by",
      value: view.sort,
      options: SORT_OPTIONS,
      choose: (value) => {
        const sort = SORTS.find((one) => one === value);
        if (sort) show({ ...view, sort });
      },
    },
    "separator",
    {
      name: "Priority",
      value: view.priority ?? "",
      options: PRIORITY_OPTIONS,
      choose: (value) =>
        show({ ...view, priority: PRIORITIES.find((one) => one === value) ?? null }),
    },
    ...(active.length > 0
      ? [
          "separator" as const,
          {
            name: "Project",
            value: view.project ?? "",
            options: [
              { value: "", name: "Any project" },
              ...active.map(({ id, name }) => ({ value: id, name })),
            ],
            choose: (value: string) => show({ ...view, project: value || null }),
          },
        ]
      : []),
    "separator",
    {
      name: "Density",
      value: density,
      options: DENSITY_OPTIONS,
      choose: (value) => setDensity(choiceOf("density", value)),
    },
  ];
  return (
    <MenuButton align="end" className="button-quiet" entries={entries} label="Filter and sort">
      {ICONS.filter}
    </MenuButton>
  );
});

/** The filter and the order of the view, each with a button that removes it. */
function Filters() {
  const { show } = useApp();
  const { view } = useView();
  const { priority, sort, list, project } = view;
  const isSorted = sort !== defaultSort(list);
  // In the list of all tasks, the project is the view itself and not a filter.
  const projectFilter = list === "all" ? null : project;
  const projectName = useStored(({ tables }) =>
    projectFilter === null ? undefined : tables.projects.get(projectFilter)?.name,
  );
  if (!(priority || isSorted || projectFilter)) return null;
  return (
    <div className="filters">
      {priority && (
        <button
          className="filter"
          onClick={() => show({ ...view, priority: null })}
          title="Remove the filter"
          type="button"
        >
          {priority === "NONE" ? "No priority" : `${PRIORITY_NAMES[priority]} priority`}
          {ICONS.clear}
        </button>
      )}
      {projectFilter && (
        <button
          className="filter"
          onClick={() => show({ ...view, project: null })}
          title="Remove the filter"
          type="button"
        >
          <bdi>{projectName ?? "Project"}</bdi>
          {ICONS.clear}
        </button>
      )}
      {isSorted && (
        <button
          className="filter"
          onClick={() => show({ ...view, sort: defaultSort(list) })}
          title="Remove the order"
          type="button"
        >
          Sorted by {SORT_NAMES[sort].toLowerCase()}
          {ICONS.clear}
        </button>
      )}
    </div>
  );
}
