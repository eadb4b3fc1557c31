"use client";

import {
  draggable,
  dropTargetForElements,
} from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { useWindowVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useHydrated } from "@/lib/use-hydrated";
import { useIsPrinting } from "@/lib/use-is-printing";
import { describeTask, type Task } from "./task";
import { type RowProps, TaskRow } from "./task-row";
import { useTasks } from "./tasks-context";

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

export function TaskList(props: Props) {
  const { tasks } = useTasks();
  const isHydrated = useHydrated();
  const isPrinted = useIsPrinting();
  if (isHydrated && !isPrinted && tasks.length > VIRTUALIZE_ABOVE) return <LongList {...props} />;
  return <Rows {...props} rows={{ start: 0, end: tasks.length, before: 0, after: 0 }} />;
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
function LongList(props: Props) {
  const { tasks } = useTasks();
  const list = useRef<HTMLDivElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => setOffset(list.current?.offsetTop ?? 0), []);
  // A new function would make the virtualizer compute all positions again.
  const getItemKey = useCallback((at: number) => tasks[at]?.id ?? at, [tasks]);
  const virtualizer = useWindowVirtualizer<HTMLElement>({
    count: tasks.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    scrollMargin: offset,
    getItemKey,
    measureElement: rowHeight,
  });
  const { current, hasFocus } = props;
  const index = hasFocus ? tasks.findIndex(({ id }) => id === current) : -1;

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
      <Rows {...props} measure={virtualizer.measureElement} rows={span} />
    </div>
  );
}

type RowsProps = Props & { rows: VisibleRange; measure?: (row: HTMLElement | null) => void };

function Rows({
  rows,
  measure,
  current,
  hasFocus,
  selected,
  renamingId,
  onFocusRow,
  ...row
}: RowsProps) {
  const { store, tasks, today } = useTasks();
  const list = useRef<HTMLUListElement>(null);

  // In a layout effect, before another key press: later it would take the focus from another field.
  useLayoutEffect(() => {
    if (!hasFocus || current === null || renamingId !== null) return;
    const element = list.current?.querySelector<HTMLElement>(`[data-id="${current}"]`);
    if (element && !element.contains(document.activeElement)) {
      element.focus({ preventScroll: measure !== undefined });
    }
  });

  return (
    <ul
      aria-label="Tasks"
      className="task-list"
      ref={list}
      style={measure && { paddingTop: rows.before, paddingBottom: rows.after }}
    >
      {tasks.slice(rows.start, rows.end).map((task, index) => (
        <ListItem
          canMove={row.canMove}
          isTabStop={task.id === (current ?? tasks[0]?.id)}
          key={task.id}
          measure={measure}
          move={row.actions.move}
          onFocus={onFocusRow}
          index={rows.start + index}
          isBusy={store.isPending("tasks", task.id)}
          isSelected={selected.has(task.id)}
          task={task}
        >
          <TaskRow
            {...row}
            isRenaming={task.id === renamingId}
            isSelected={selected.has(task.id)}
            isPending={store.state().syncProblem !== null && store.isPending("tasks", task.id)}
            task={task}
            today={today}
          />
        </ListItem>
      ))}
    </ul>
  );
}

type ListItemProps = {
  task: Task;
  index: number;
  /** Whether Tab moves the focus to this row. */
  isTabStop: boolean;
  isBusy: boolean;
  isSelected: boolean;
  canMove: boolean;
  measure: ((row: HTMLElement | null) => void) | undefined;
  move: RowProps["actions"]["move"];
  onFocus: (id: string) => void;
  children: ReactNode;
};

/** A row of the list, which can be dragged, and on which another one can be dropped. */
function ListItem({
  task,
  index,
  isTabStop,
  isBusy,
  isSelected,
  canMove,
  measure,
  move,
  onFocus,
  children,
}: ListItemProps) {
  const { tasks, store, today } = useTasks();
  const element = useRef<HTMLLIElement>(null);
  // A new function would be called with the row, and measure it, on each render.
  const attach = useCallback(
    (row: HTMLLIElement | null) => {
      element.current = row;
      measure?.(row);
    },
    [measure],
  );
  const [edge, setEdge] = useState<"before" | "after" | null>(null);
  const { id } = task;
  const details = [isSelected && "Selected.", describeTask(task, today)].filter(Boolean).join(" ");

  useEffect(() => {
    const row = element.current;
    if (!(row && canMove)) return;
    const stopDragging = draggable({
      element: row,
      getInitialData: () => ({ task: id }),
      onDragStart: () => row.setAttribute("data-dragged", ""),
      onDrop: () => row.removeAttribute("data-dragged"),
    });
    const stopDropping = dropTargetForElements({
      element: row,
      canDrop: ({ source }) => source.data.task !== id,
      onDrag: ({ location }) => {
        const { top, height } = row.getBoundingClientRect();
        setEdge(location.current.input.clientY < top + height / 2 ? "before" : "after");
      },
      onDragLeave: () => setEdge(null),
      onDrop: ({ source, location }) => {
        setEdge(null);
        const { top, height } = row.getBoundingClientRect();
        const isBefore = location.current.input.clientY < top + height / 2;
        const moved = store.tables.tasks.get(String(source.data.task));
        const here = store.tables.tasks.get(id);
        if (moved && here) move(moved, isBefore ? "before" : "after", here);
      },
    });
    return () => {
      stopDragging();
      stopDropping();
    };
  }, [id, canMove, move, store]);

  return (
    <li
      aria-busy={isBusy}
      aria-describedby={details ? `${id}-details` : undefined}
      aria-label={task.title}
      aria-posinset={index + 1}
      aria-setsize={tasks.length}
      className="task-item"
      data-edge={edge ?? undefined}
      data-id={id}
      data-index={index}
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
