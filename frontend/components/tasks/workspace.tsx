"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { nextTheme } from "@/components/appearance/choices";
import { useChoice } from "@/components/appearance/use-choice";
import { useSession } from "@/components/graphql/graphql";
import { usePage } from "@/components/header/page-link";
import { SkipLink } from "@/components/header/skip-link";
import { Drawer } from "@/components/sidebar/drawer";
import { Sidebar, type SidebarProps } from "@/components/sidebar/sidebar";
import { useEvent } from "@/lib/use-event";
import { useModifier } from "@/lib/use-modifier";
import { ConfirmDelete, Palette, Shortcuts, usePreload } from "./code-on-demand";
import { readUnsavedText, type UnsavedText } from "./draft";
import type { PaletteCommand } from "./palette";
import type { Task } from "./task";
import { TaskArea } from "./task-area";
import { TaskPanel } from "./task-panel";
import { useApp, useTasks, useView } from "./tasks-context";
import { describeTasks, useActions } from "./use-actions";
import { useCursor } from "./use-cursor";
import { useKeys } from "./use-keys";
import { useOpenTask } from "./use-open-task";
import { useSelection } from "./use-selection";

/** From this width on, the sidebar is next to the list. */
const BESIDE_LIST = "(min-width: 64rem)";

type Props = {
  email: string;
  /** Whether the server rendered the view's tasks. */
  isSeeded: boolean;
};

/** The tasks page: the sidebar, the list, and the details of one task. */
export function Workspace({ email, isSeeded }: Props) {
  const { owner } = useSession();
  const { show, showTask, undo, redo } = useApp();
  const { view } = useView();
  const { tasks, taskToFocus } = useTasks();
  const actions = useActions();
  const modifier = useModifier();
  const [theme, setTheme] = useChoice("theme");
  const [sidebar, setSidebar] = useChoice("sidebar");
  const [renamingId, setRenamingId] = useState<string | null>(null);
  const { openTask, open, close: closeTask } = useOpenTask();
  const [unsavedText, setUnsavedText] = useState<UnsavedText | null>(null);
  const [tasksToDelete, setTasksToDelete] = useState<readonly Task[]>([]);
  const [openDialog, setOpenDialog] = useState<"palette" | "shortcuts" | "drawer" | null>(null);
  const [paletteTargets, setPaletteTargets] = useState<readonly Task[]>([]);
  const selection = useSelection(tasks);
  const cursor = useCursor(tasks, renamingId !== null);
  const search = useRef<HTMLInputElement>(null);
  const main = useRef<HTMLElement>(null);
  const { current, focus, setCurrent } = cursor;
  const { toggle, addRange, selectedTasks } = selection;

  useEffect(() => {
    const unsaved = readUnsavedText(owner);
    if (!unsaved) return;
    setUnsavedText(unsaved);
    open(unsaved.id);
  }, [owner, open]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the drawer's links change the view
  useEffect(() => setOpenDialog((dialog) => (dialog === "drawer" ? null : dialog)), [view]);

  usePreload();

  useEffect(() => {
    if (taskToFocus) focus(taskToFocus.id);
  }, [taskToFocus, focus]);

  const onSelect = useEvent(({ id }: Task, isRange: boolean) => {
    if (isRange && current !== null) addRange(current, id);
    else toggle(id);
    setCurrent(id);
  });

  const onRename = useEvent((edited: Task | null) => {
    setRenamingId(edited?.id ?? null);
    focus();
  });

  const onOpen = useEvent(({ id }: Task) => {
    setUnsavedText(null);
    open(id);
    setCurrent(id);
  });

  const onDelete = useCallback((one: Task) => setTasksToDelete([one]), []);

  function close() {
    closeTask();
    setUnsavedText(null);
    focus();
  }

  function moveFocus(by: number) {
    const next = cursor.neighbour(by);
    if (!next) return;
    focus(next.id);
    if (openTask) onOpen(next);
  }

  /** Extend the selection to the next row, or shrink it. */
  function extendSelection(by: number) {
    const from = cursor.focusedTask();
    const next = cursor.neighbour(by);
    if (!(from && next)) return;
    const isBack = selection.selected.has(from.id) && selection.selected.has(next.id);
    if (isBack) toggle(from.id);
    else addRange(from.id, next.id);
    focus(next.id);
  }

  function move(by: -1 | 1) {
    const task = cursor.focusedTask();
    const other = cursor.neighbour(by);
    if (!(task && other && canMove) || other === task) return;
    actions.move([task], by < 0 ? "before" : "after", other);
  }

  /** Return a shortcut handler that acts on the task whose row has the focus. */
  const onRow = (run: (task: Task) => void) => () => {
    const task = cursor.focusedTask();
    if (task) run(task);
  };

  /** Return the selected tasks, or else the task whose row has the focus. */
  function targetTasks(): readonly Task[] {
    const task = cursor.focusedTask();
    if (selectedTasks.length > 0) return selectedTasks;
    return task ? [task] : [];
  }

  const openPalette = useEvent(() => {
    // Read the focused row before the palette takes the focus.
    setPaletteTargets(targetTasks());
    setOpenDialog("palette");
  });

  const openShortcuts = useCallback(() => setOpenDialog("shortcuts"), []);

  function complete() {
    const some = targetTasks();
    if (some.length > 0) actions.complete(some, !some.every(({ completed }) => completed));
  }

  function trash() {
    const some = targetTasks();
    if (some.length === 0) return;
    if (view.list === "trash") setTasksToDelete(some);
    else actions.trash(some);
    selection.clear();
  }

  const canMove = view.sort === "manual" && !view.search && view.list !== "trash";
  const canAdd = view.list !== "trash" && view.list !== "completed";

  const focusNewTask = useEvent(() => {
    // Render now: the field must exist, and an open drawer would keep the focus.
    flushSync(() => {
      setOpenDialog(null);
      if (!canAdd) show({ list: "all" });
    });
    main.current?.querySelector<HTMLInputElement>("[name=title]")?.focus();
  });

  const toggleSidebar = useEvent(() => {
    if (!window.matchMedia(BESIDE_LIST).matches) setOpenDialog("drawer");
    else setSidebar(sidebar === "shown" ? "hidden" : "shown");
  });

  const sidebarProps: Omit<SidebarProps, "onHide"> = {
    email,
    onAdd: focusNewTask,
    onSearch: openPalette,
    onShortcuts: openShortcuts,
  };

  useKeys({
    j: () => moveFocus(1),
    k: () => moveFocus(-1),
    ArrowDown: () => moveFocus(1),
    ArrowUp: () => moveFocus(-1),
    "Shift+ArrowDown": () => extendSelection(1),
    "Shift+ArrowUp": () => extendSelection(-1),
    "Alt+ArrowDown": () => move(1),
    "Alt+ArrowUp": () => move(-1),
    Enter: onRow(onOpen),
    " ": complete,
    x: onRow((task) => onSelect(task, false)),
    e: onRow(onRename),
    c: focusNewTask,
    m: toggleSidebar,
    "/": () => search.current?.focus(),
    "?": openShortcuts,
    Delete: trash,
    Backspace: trash,
    "#": trash,
    Escape: () => (openTask ? close() : selection.clear()),
    "Mod+a": selection.addAll,
    "Mod+k": openPalette,
    "Mod+z": undo,
    "Mod+Shift+z": redo,
    "Mod+y": redo,
  });

  const goToAccount = usePage("/account", "Your account");
  const commands: PaletteCommand[] = [
    { name: "Add a task", keys: "c", run: focusNewTask },
    { name: "Search this view", keys: "/", run: () => search.current?.focus() },
    { name: "Undo", keys: `${modifier}Z`, run: undo },
    { name: "Redo", keys: `${modifier}Y`, run: redo },
    { name: "Select several", keys: "x", run: selection.startSelecting },
    { name: "Keyboard shortcuts", keys: "?", run: openShortcuts },
    { name: `Appearance: ${nextTheme(theme)}`, run: () => setTheme(nextTheme(theme)) },
    { name: "Account", run: () => void goToAccount() },
  ];

  const row = {
    actions,
    canMove,
    isSelecting: selection.isSelecting,
    onDelete,
    onOpen,
    onRename,
    onSelect,
  };

  return (
    <>
      <SkipLink />
      <div className="shell">
        <aside aria-label="Sidebar" className="sidebar sidebar-column">
          <Sidebar {...sidebarProps} onHide={toggleSidebar} />
        </aside>
        <TaskArea
          canAdd={canAdd}
          cursor={cursor}
          isSeeded={isSeeded}
          main={main}
          onDeleteSelected={() => setTasksToDelete(selectedTasks)}
          onSidebar={toggleSidebar}
          renamingId={renamingId}
          row={row}
          search={search}
          selection={selection}
        />
        {openTask && (
          <TaskPanel
            actions={actions}
            key={openTask.id}
            unsavedText={unsavedText}
            onClose={close}
            onDelete={onDelete}
            task={openTask}
          />
        )}
      </div>
      {tasksToDelete.length > 0 && (
        <ConfirmDelete
          onClose={() => setTasksToDelete([])}
          onConfirm={() => {
            actions.deletePermanently(tasksToDelete);
            setTasksToDelete([]);
            closeTask();
          }}
          subject={describeTasks(tasksToDelete)}
        />
      )}
      {openDialog === "drawer" && <Drawer {...sidebarProps} onHide={() => setOpenDialog(null)} />}
      {openDialog === "shortcuts" && <Shortcuts onClose={() => setOpenDialog(null)} />}
      {openDialog === "palette" && (
        <Palette
          actions={actions}
          commands={commands}
          targets={paletteTargets}
          onClose={() => setOpenDialog(null)}
          onOpen={(chosenTask) => {
            if (!tasks.includes(chosenTask)) showTask(chosenTask);
            onOpen(chosenTask);
          }}
        />
      )}
    </>
  );
}
