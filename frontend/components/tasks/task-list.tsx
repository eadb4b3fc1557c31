"use client";

import { useWindowVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import {
  Fragment,
  memo,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useSortable } from "@/components/drag/use-sortable";
import { projectOf } from "@/components/projects/use-projects";
import { useEvent } from "@/lib/use-event";
import { useHydrated } from "@/lib/use-hydrated";
import { useIsPrinting } from "@/lib/use-is-printing";
import type { Group } from "./groups";
import { describeTask, type Task } from "./task";
import { type RowProps, TaskRow } from "./task-row";
import { useApp, useStored, useTasks, useView } from "./tasks-context";

/** Longer lists are virtualized: only the visible rows are rendered. */
const VIRTUALIZE_ABOVE = 60;
const ROW_HEIGHT = 45;
const OVERSCAN = 12;

/** The properties that all rows of a list share. */
export type SharedRowProps = Omit<
  RowProps,
  "task" | "isSelected" | "isRenaming" | "isPending" | "today"
>;

type Props = SharedRowProps & {
  current: string | null;
  /** Whether the current row should have the focus. */
  hasFocus: boolean;
  selected: ReadonlySet<string>;
  renamingId: string | null;
  onFocusRow: (id: string) => void;
};

type VisibleRange = { start: number; end: number; before: number; after: number };

/** A line of the list: the heading of a group, or a task. */
type Line = Group | Task;

function linesOf(groups: readonly Group[]): Line[] {
  return groups.flatMap<Line>((group) => (group.name ? [group, ...group.tasks] : group.tasks));
}

export function TaskList(props: Props) {
  const { groups } = useTasks();
  const lines = useMemo(() => linesOf(groups), [groups]);
  const isHydrated = useHydrated();
  const isPrinted = useIsPrinting();
  if (isHydrated && !isPrinted && lines.length > VIRTUALIZE_ABOVE)
    return <LongList {...props} lines={lines} />;
  const all = { start: 0, end: lines.length, before: 0, after: 0 };
  return <Rows {...props} range={all} />;
}

/**
 * Return a row's height as the browser laid it out. A new row has the default height until the
 * observer reports, still before it is painted: measuring at once would force a layout.
 */
function rowHeight(
  row: HTMLElement,
  entry: ResizeObserverEntry | undefined,
  list: Virtualizer<Window, HTMLElement>,
): number {
  const box = entry?.borderBoxSize[0];
  if (box) return box.blockSize;
  const key = list.options.getItemKey(list.indexFromElement(row));
  return list.itemSizeCache.get(key) ?? ROW_HEIGHT;
}

/** Rows stay in the normal flow. Padding replaces those that are not rendered. */
function LongList(props: Props & { lines: readonly Line[] }) {
  const { lines, current, hasFocus } = props;
  const list = useRef<HTMLDivElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => setOffset(list.current?.offsetTop ?? 0), []);
  // A new function would make the virtualizer compute all positions again.
  const getItemKey = useCallback(
    (at: number) => {
      const line = lines[at];
      if (!line) return at;
      return "tasks" in line ? line.key : line.id;
    },
    [lines],
  );
  const virtualizer = useWindowVirtualizer<HTMLElement>({
    count: lines.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    scrollMargin: offset,
    getItemKey,
    measureElement: rowHeight,
  });
  const index = hasFocus ? lines.findIndex((line) => "id" in line && line.id === current) : -1;

  useEffect(() => {
    if (index >= 0) virtualizer.scrollToIndex(index, { align: "auto" });
  }, [index, virtualizer]);

  const items = virtualizer.getVirtualItems();
  const first = items[0];
  const last = items.at(-1);
  const span = {
    start: first?.index ?? 0,
    end: (last?.index ?? -1) + 1,
    before: (first?.start ?? offset) - offset,
    after: virtualizer.getTotalSize() - ((last?.end ?? offset) - offset),
  };
  return (
    <div ref={list}>
      <Rows {...props} measure={virtualizer.measureElement} range={span} />
    </div>
  );
}

type Measure = (element: HTMLElement | null) => void;
type RowsProps = Props & { range: VisibleRange; measure?: Measure };

/** The visible lines of a group. */
type VisibleGroup = {
  group: Group;
  /** The index of the heading's line; null if the heading is not visible. */
  heading: number | null;
  /** The visible tasks. */
  tasks: readonly Task[];
  /** The index of the line of the group's first task, visible or not. */
  first: number;
  /** The number of tasks before the visible ones. */
  skipped: number;
};

function visibleGroups(groups: readonly Group[], { start, end }: VisibleRange): VisibleGroup[] {
  const visible: VisibleGroup[] = [];
  let next = 0;
  for (const group of groups) {
    const heading = group.name && next >= start && next < end ? next : null;
    const first = next + Number(group.name !== "");
    const skipped = Math.max(start - first, 0);
    const tasks = group.tasks.slice(skipped, Math.max(end - first, 0));
    if (heading !== null || tasks.length > 0)
      visible.push({ group, heading, tasks, first, skipped });
    next = first + group.tasks.length;
  }
  return visible;
}

function Rows(props: RowsProps) {
  const { range, measure, current, hasFocus, selected, renamingId, onFocusRow, ...row } = props;
  const { today } = useApp();
  const { view } = useView();
  const { groups, tasks } = useTasks();
  const list = useRef<HTMLDivElement>(null);
  const tabStop = current ?? tasks[0]?.id;

  /** Return the tasks that are dragged with this one: the selected ones, if it is one of them. */
  const draggedWith = useEvent((id: string): readonly string[] => {
    if (!selected.has(id)) return [id];
    return tasks.filter((task) => selected.has(task.id)).map((task) => task.id);
  });

  // In a layout effect, before another key press: later it would take the focus from another field.
  useLayoutEffect(() => {
    if (!hasFocus || current === null || renamingId !== null) return;
    const element = list.current?.querySelector<HTMLElement>(`[data-id="${current}"]`);
    if (element && !element.contains(document.activeElement)) {
      element.focus({ preventScroll: measure !== undefined });
    }
  });

  return (
    <div
      className="task-list"
      ref={list}
      style={measure && { paddingTop: range.before, paddingBottom: range.after }}
    >
      {visibleGroups(groups, range).map(({ group, heading, tasks: visible, first, skipped }) => (
        <Fragment key={group.key}>
          {heading !== null && <GroupHeading group={group} index={heading} measure={measure} />}
          <ul aria-label={group.name || "Tasks"} data-day={group.isDay}>
            {visible.map((task, index) => (
              <ListItem
                key={task.id}
                {...row}
                draggedWith={draggedWith}
                index={first + skipped + index}
                isRenaming={task.id === renamingId}
                isSelected={selected.has(task.id)}
                isTabStop={task.id === tabStop}
                measure={measure}
                onFocus={onFocusRow}
                place={skipped + index + 1}
                setSize={group.tasks.length}
                showsProject={view.project === null}
                task={task}
                today={today}
              />
            ))}
          </ul>
        </Fragment>
      ))}
    </div>
  );
}

type HeadingProps = { group: Group; index: number; measure: Measure | undefined };

function GroupHeading({ group, index, measure }: HeadingProps) {
  const { name, isLate, tasks } = group;
  return (
    <h2 className="group-heading" data-index={index} data-late={isLate} ref={measure}>
      {name}
      <span className="group-count">{tasks.length}</span>
    </h2>
  );
}

type ListItemProps = Omit<RowProps, "isPending" | "project"> & {
  /** The index of its line. */
  index: number;
  /** Its place in its group, from 1. */
  place: number;
  /** The number of tasks in its group. */
  setSize: number;
  /** Whether Tab moves the focus to this row. */
  isTabStop: boolean;
  showsProject: boolean;
  draggedWith: (id: string) => readonly string[];
  measure: Measure | undefined;
  onFocus: (id: string) => void;
};

/** A row of the list, which can be dragged, and on which another one can be dropped. */
const ListItem = memo((props: ListItemProps) => {
  const { index, place, setSize, isTabStop, showsProject, draggedWith, ...others } = props;
  const { measure, onFocus, ...row } = others;
  const { task, today, isSelected, canMove, actions } = row;
  const element = useRef<HTMLLIElement>(null);
  // A new function would be called with the row, and measure it, on each render.
  const attach = useCallback(
    (item: HTMLLIElement | null) => {
      element.current = item;
      measure?.(item);
    },
    [measure],
  );
  const { id } = task;
  const isBusy = useStored((store) => store.isPending("tasks", id));
  const hasProblem = useStored((store) => store.state().syncProblem !== null);
  const project = useStored((store) => (showsProject ? projectOf(store, task) : null));
  const details = [isSelected && "Selected.", describeTask(task, today)].filter(Boolean).join(" ");

  const edge = useSortable(element, {
    kind: "task",
    id,
    canSort: canMove,
    draggedIds: () => draggedWith(id),
    onDrop: (dragged, to) => {
      if (to !== "into") actions.drop(dragged, to, id);
    },
  });

  return (
    <li
      aria-busy={isBusy}
      aria-describedby={details ? `${id}-details` : undefined}
      aria-label={task.title}
      aria-posinset={place}
      aria-setsize={setSize}
      className="task-item"
      data-edge={edge ?? undefined}
      data-id={id}
      data-index={index}
      // The server has not confirmed it yet.
      data-new={task.version === 0}
      onFocus={() => onFocus(id)}
      ref={attach}
      tabIndex={isTabStop ? 0 : -1}
    >
      <TaskRow {...row} isPending={hasProblem && isBusy} project={project} />
      {details && (
        <span hidden={true} id={`${id}-details`}>
          {details}
        </span>
      )}
    </li>
  );
});
