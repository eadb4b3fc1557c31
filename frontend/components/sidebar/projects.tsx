"use client";

import {
  AlignLeft,
  Archive,
  ArrowDown,
  ArrowUp,
  Ellipsis,
  Pencil,
  Plus,
  Trash2,
} from "lucide-react";
import { type KeyboardEvent, memo, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useSortable } from "@/components/drag/use-sortable";
import { MenuButton, type MenuEntry } from "@/components/menu/menu-button";
import { COLOR_NAMES, COLORS, MAX_PROJECTS, type Project } from "@/components/projects/project";
import { ProjectDot } from "@/components/projects/project-dot";
import { type ProjectActions, useProjectActions } from "@/components/projects/use-project-actions";
import { useOpenCount, useProjects } from "@/components/projects/use-projects";
import { useApp, useView } from "@/components/tasks/tasks-context";
import { useActions } from "@/components/tasks/use-actions";
import { useHeld } from "@/components/tasks/use-hold";
import { onDemand } from "@/lib/on-demand";
import { useEvent } from "@/lib/use-event";
import { useHydrated } from "@/lib/use-hydrated";
import { ProjectName } from "./project-name";
import { ViewLink } from "./view-link";

const DescriptionDialog = onDemand(
  async () => (await import("@/components/projects/description-dialog")).default,
);

const ICON = { "aria-hidden": true, className: "size-4" } as const;
const COLOR_OPTIONS = COLORS.map((value) => ({
  value,
  name: COLOR_NAMES[value],
  icon: <ProjectDot color={value} />,
}));

/** A link and a menu for each project, in the manual order. */
export function Projects() {
  const { show } = useApp();
  const { view, isHeld } = useView();
  const { all, active: latest, archived } = useProjects();
  const active = useHeld(latest, isHeld, "active", (before) => {
    const current = new Map(all.map((project) => [project.id, project]));
    return before.map((project) => current.get(project.id) ?? project);
  });
  const actions = useProjectActions();
  const isHydrated = useHydrated();
  const [isCreating, setCreating] = useState(false);
  const [renamingId, setRenamingId] = useState<string | null>(null);
  // The project whose link gets the focus: an action has moved or removed the element that had it.
  const [focusedId, setFocusedId] = useState<string | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const isFull = all.length >= MAX_PROJECTS;

  useLayoutEffect(() => {
    if (focusedId === null) return;
    const link = list.current?.querySelector<HTMLElement>(`[data-project="${focusedId}"] a`);
    // While the field for a new project's name is open, the list of projects does not change, so
    // the new project has no link yet.
    if (!link) return;
    link.focus();
    setFocusedId(null);
  });

  const step = useEvent((project: Project, by: -1 | 1) => {
    const other = active[active.indexOf(project) + by];
    if (!other) return;
    actions.move(project, by < 0 ? "before" : "after", other);
    setFocusedId(project.id);
  });

  /**
   * Move the focus to a neighbor of a project that is about to leave the list, or to an archived
   * project itself.
   */
  const leave = useEvent((project: Project) => {
    const at = active.indexOf(project);
    const next = at < 0 ? project : (active[at + 1] ?? active[at - 1]);
    setFocusedId(next?.id ?? null);
  });

  const itemOf = (project: Project) => (
    <ProjectItem
      actions={actions}
      isCurrent={view.list === "all" && view.project === project.id}
      isRenaming={renamingId === project.id}
      key={project.id}
      onFocus={setFocusedId}
      onLeave={leave}
      onRename={setRenamingId}
      onStep={step}
      project={project}
    />
  );

  return (
    <>
      <h2 className="views-heading">
        Projects
        <button
          aria-label="New project"
          className="button-quiet"
          disabled={!isHydrated || isFull}
          onClick={() => setCreating(true)}
          title={isFull ? `You can have ${MAX_PROJECTS} projects` : "New project"}
          type="button"
        >
          <Plus aria-hidden="true" className="size-4" />
        </button>
      </h2>
      <ul aria-label="Projects" ref={list}>
        {active.map(itemOf)}
      </ul>
      {isCreating && (
        <ProjectName
          label="Name of the new project"
          name=""
          onClose={(name, { isLeft }) => {
            setCreating(false);
            if (!name) return;
            const id = actions.create(name);
            show({ list: "all", project: id });
            if (!isLeft) setFocusedId(id);
          }}
        />
      )}
      {active.length === 0 && !isCreating && (
        <p className="px-2.5 py-1 text-muted">Use projects to group your tasks.</p>
      )}
      {archived.length > 0 && (
        <details className="archived">
          <summary className="views-heading">Archived</summary>
          <ul aria-label="Archived projects">{archived.map(itemOf)}</ul>
        </details>
      )}
    </>
  );
}

type ItemProps = {
  project: Project;
  isCurrent: boolean;
  isRenaming: boolean;
  actions: ProjectActions;
  /** Move the focus to the link of a project. */
  onFocus: (id: string) => void;
  /** Called before the project leaves the list. */
  onLeave: (project: Project) => void;
  onRename: (id: string | null) => void;
  onStep: (project: Project, by: -1 | 1) => void;
};

const ProjectItem = memo((props: ItemProps) => {
  const { project, isCurrent, isRenaming, actions } = props;
  const { onFocus, onLeave, onRename, onStep } = props;
  const { id, name, description, color, archivedAt } = project;
  const [isDescribing, setDescribing] = useState(false);
  const { dropInto } = useActions();
  const count = useOpenCount(id);
  const element = useRef<HTMLLIElement>(null);
  const isArchived = archivedAt !== null;

  const edge = useSortable(element, {
    kind: "project",
    id,
    canSort: !isArchived,
    accepts: "task",
    onDrop: (dragged, to) => {
      if (to === "into") dropInto(dragged, id);
      else actions.drop(dragged[0], to, project);
    },
  });

  function onKeyDown(event: KeyboardEvent) {
    if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    onStep(project, event.key === "ArrowUp" ? -1 : 1);
  }

  function closeDescription() {
    // Render at once, because the open dialog would keep the focus. The menu entry that had the
    // focus before no longer exists.
    flushSync(() => setDescribing(false));
    element.current?.querySelector<HTMLElement>(".project-menu")?.focus();
  }

  const entries: MenuEntry[] = [
    { name: "Rename", icon: <Pencil {...ICON} />, run: () => onRename(id) },
    {
      name: description === "" ? "Add a description" : "Edit the description",
      icon: <AlignLeft {...ICON} />,
      run: () => setDescribing(true),
    },
    ...(isArchived
      ? []
      : [
          { name: "Move up", icon: <ArrowUp {...ICON} />, run: () => onStep(project, -1) },
          { name: "Move down", icon: <ArrowDown {...ICON} />, run: () => onStep(project, 1) },
        ]),
    {
      name: isArchived ? "Unarchive" : "Archive",
      icon: <Archive {...ICON} />,
      run: () => {
        onLeave(project);
        actions.archive(project, !isArchived);
      },
    },
    {
      name: "Move to trash",
      icon: <Trash2 {...ICON} />,
      run: () => {
        onLeave(project);
        actions.trash(project);
      },
    },
    "separator",
    {
      name: "Color",
      value: color,
      options: COLOR_OPTIONS,
      choose: (value) => {
        const chosen = COLORS.find((one) => one === value);
        if (chosen) actions.recolor(project, chosen);
      },
    },
  ];

  return (
    <li
      aria-label={name}
      className="project-item"
      data-edge={edge ?? undefined}
      data-project={id}
      ref={element}
    >
      {isRenaming ? (
        <ProjectName
          label="Name"
          name={name}
          onClose={(text, { base, isLeft }) => {
            onRename(null);
            if (!isLeft) onFocus(id);
            if (text && text !== base) actions.write(project, { name: text }, { name: base });
          }}
        />
      ) : (
        <>
          <ViewLink isCurrent={isCurrent} onKeyDown={onKeyDown} view={{ list: "all", project: id }}>
            <ProjectDot color={color} />
            <bdi className="truncate">{name}</bdi>
            {count > 0 && (
              <span aria-hidden="true" className="view-count">
                {count}
              </span>
            )}
          </ViewLink>
          <MenuButton
            className="project-menu button-quiet"
            entries={entries}
            label={`Change the project ${name}`}
          >
            <Ellipsis aria-hidden="true" className="size-4" />
          </MenuButton>
          {isDescribing && <DescriptionDialog onClose={closeDescription} project={project} />}
        </>
      )}
    </li>
  );
});
