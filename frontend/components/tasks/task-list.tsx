"use client";

import { useWindowVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import {
  Fragment,
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useSortable } from "@/components/drag/use-sortable";
import { projectOf } from "@/components/projects/use-projects";
import { useHydrated } from "@/lib/use-hydrated";
import { useIsPrinting } from "@/lib/use-is-printing";
import type { Group } from "./groups";
import { describeTask, type Task } from "./task";
import { type RowProps, TaskRow } from "./task-row";
import { useTasks } from "./tasks-context";
import { tasksIn } from "./use-actions";

/** Longer lists are virtualized: only the visible rows are rendered. */
const VIRTUALIZE_ABOVE = 60;
const ROW_HEIGHT = 45;
const OVERSCAN = 12;

type SharedProps = Omit<RowProps, "task" | "isSelected" | "isRenaming" | "isPending" | "today">;

type Props = SharedProps & {
  current: string | null;
  /** Whether the current row should have the focus. */
  hasFocus: boolean;
  selected: ReadonlySet<string>;
  renamingId: string | null;
  onFocusRow: (id: string) => void;
};

type VisibleRange = { start: number; end: number; before: number; after: number };

/** A row of the list, or the heading of a group. */
type Line = {
  group: Group;
  /** Null for the heading. */
  task: Task | null;
  place: number;
};

function linesOf(groups: readonly Group[]): Line[] {
  return groups.flatMap((group) => [
    ...(group.name ? [{ group, task: null, place: 0 }] : []),
    ...group.tasks.map((task, index) => ({ group, task, place: index + 1 })),
  ]);
}

export function TaskList(props: Props) {
  const { groups } = useTasks();
  const lines = useMemo(() => linesOf(groups), [groups]);
  const isHydrated = useHydrated();
  const isPrinted = useIsPrinting();
  if (isHydrated && !isPrinted && lines.length > VIRTUALIZE_ABOVE)
    return <LongList {...props} lines={lines} />;
  const all = { start: 0, end: lines.length, before: 0, after: 0 };
  return <Rows {...props} lines={lines} range={all} />;
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
    (at: number) => lines[at]?.task?.id ?? lines[at]?.group.key ?? at,
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
  const index = hasFocus ? lines.findIndex(({ task }) => task?.id === current) : -1;

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
type RowsProps = Props & { lines: readonly Line[]; range: VisibleRange; measure?: Measure };

/** Return the visible lines of each group, with the index of the first. */
function visibleGroups(lines: readonly Line[], { start, end }: VisibleRange) {
  const visible: { group: Group; first: number; lines: Line[] }[] = [];
  for (const [at, line] of lines.slice(start, end).entries()) {
    const last = visible.at(-1);
    if (last?.group === line.group) last.lines.push(line);
    else visible.push({ group: line.group, first: start + at, lines: [line] });
  }
  return visible;
}

function Rows(props: RowsProps) {
  const { lines, range, measure, current, hasFocus, selected, renamingId, onFocusRow, ...row } =
    props;
  const { store, tasks, today, view } = useTasks();
  const list = useRef<HTMLDivElement>(null);
  const tabStop = current ?? tasks[0]?.id;

  /** Return the tasks that are dragged with this one: the selected ones, if it is one of them. */
  function draggedWith(id: string): readonly string[] {
    if (!selected.has(id)) return [id];
    return tasks.filter((task) => selected.has(task.id)).map((task) => task.id);
  }

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
      {visibleGroups(lines, range).map(({ group, first, lines: visible }) => (
        <Fragment key={group.key}>
          {visible[0]?.task === null && (
            <GroupHeading group={group} index={first} measure={measure} />
          )}
          <ul aria-label={group.name || "Tasks"} data-day={group.isDay}>
            {visible.map(
              ({ task, place }, index) =>
                task && (
                  <ListItem
                    canMove={row.canMove}
                    draggedWith={draggedWith}
                    index={first + index}
                    isBusy={store.isPending("tasks", task.id)}
                    isSelected={selected.has(task.id)}
                    isTabStop={task.id === tabStop}
                    key={task.id}
                    measure={measure}
                    move={row.actions.move}
                    onFocus={onFocusRow}
                    place={place}
                    setSize={group.tasks.length}
                    task={task}
                  >
                    <TaskRow
                      {...row}
                      isPending={
                        store.state().syncProblem !== null && store.isPending("tasks", task.id)
                      }
                      isRenaming={task.id === renamingId}
                      isSelected={selected.has(task.id)}
                      project={view.project === null ? projectOf(store, task) : null}
                      task={task}
                      today={today}
                    />
                  </ListItem>
                ),
            )}
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

type ListItemProps = {
  task: Task;
  /** The index of its line. */
  index: number;
  /** Its place in its group, from 1. */
  place: number;
  /** The number of tasks in its group. */
  setSize: number;
  /** Whether Tab moves the focus to this row. */
  isTabStop: boolean;
  isBusy: boolean;
  isSelected: boolean;
  canMove: boolean;
  draggedWith: (id: string) => readonly string[];
  measure: Measure | undefined;
  move: RowProps["actions"]["move"];
  onFocus: (id: string) => void;
  children: ReactNode;
};

/** A row of the list, which can be dragged, and on which another one can be dropped. */
function ListItem({
  task,
  index,
  place,
  setSize,
  isTabStop,
  isBusy,
  isSelected,
  canMove,
  draggedWith,
  measure,
  move,
  onFocus,
  children,
}: ListItemProps) {
  const { store, today } = useTasks();
  const element = useRef<HTMLLIElement>(null);
  // A new function would be called with the row, and measure it, on each render.
  const attach = useCallback(
    (row: HTMLLIElement | null) => {
      element.current = row;
      measure?.(row);
    },
    [measure],
  );
  const { id } = task;
  const details = [isSelected && "Selected.", describeTask(task, today)].filter(Boolean).join(" ");

  const edge = useSortable(element, {
    kind: "task",
    id,
    canSort: canMove,
    draggedIds: () => draggedWith(id),
    onDrop: (dragged, to) => {
      const here = store.tables.tasks.get(id);
      if (here && to !== "into") move(tasksIn(store, dragged), to, here);
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
      {children}
      {details && (
        <span hidden={true} id={`${id}-details`}>
          {details}
        </span>
      )}
    </li>
  );
}
