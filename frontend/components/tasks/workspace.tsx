"use client";

import dynamic from "next/dynamic";
import { useCallback, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useSession } from "@/components/graphql/graphql";
import { Header } from "@/components/header/header";
import { nextTheme, useTheme } from "@/components/theme/theme";
import { ToastOutlet } from "@/components/toasts/toasts";
import { useHydrated } from "@/lib/use-hydrated";
import { useModifier } from "@/lib/use-modifier";
import { AddTask } from "./add-task";
import { BulkBar } from "./bulk-bar";
import { ConfirmDelete } from "./confirm-delete";
import { Conflicts } from "./conflict-dialog";
import { readUnsavedText, type UnsavedText } from "./draft";
import { EmptyOrLoading } from "./empty";
import { Lists } from "./lists";
import type { PaletteCommand } from "./palette";
import { Shortcuts } from "./shortcuts";
import { SyncStatus } from "./sync-status";
import type { Task } from "./task";
import { TaskList } from "./task-list";
import { TaskPanel } from "./task-panel";
import { useTasks } from "./tasks-context";
import { Toolbar } from "./toolbar";
import { useActions } from "./use-actions";
import { useCursor } from "./use-cursor";
import { useKeys } from "./use-keys";
import { useSelection } from "./use-selection";

const loadPalette = () => import("./palette");
const Palette = dynamic(loadPalette);
/** Later than what the page needs at once. */
const PRELOAD_PALETTE_AFTER_MS = 2_000;

type Props = {
  email: string;
  /** Whether the server rendered the view's tasks. */
  isSeeded: boolean;
};

/** The tasks page: the navigation, the list, and the details of one task. */
export function Workspace({ email, isSeeded }: Props) {
  const { owner } = useSession();
  const { store, state, tasks, view, show, showTask, taskToFocus, undo, redo } = useTasks();
  const actions = useActions();
  const isHydrated = useHydrated();
  const modifier = useModifier();
  const { theme, choose } = useTheme();
  const [renamingId, setRenamingId] = useState<string | null>(null);
  const [openId, setOpenId] = useState<string | null>(null);
  const [unsavedText, setUnsavedText] = useState<UnsavedText | null>(null);
  const [tasksToDelete, setTasksToDelete] = useState<readonly Task[]>([]);
  const [openDialog, setOpenDialog] = useState<"palette" | "shortcuts" | null>(null);
  const [paletteTargets, setPaletteTargets] = useState<readonly Task[]>([]);
  const [serverView] = useState(view);
  const selection = useSelection(tasks);
  const cursor = useCursor(tasks, renamingId !== null);
  const search = useRef<HTMLInputElement>(null);
  const main = useRef<HTMLElement>(null);
  const openTask = openId === null ? null : store.tables.tasks.get(openId);
  const { current, focus, setCurrent } = cursor;
  const { toggle, addRange, selectedTasks } = selection;

  useEffect(() => {
    const unsaved = readUnsavedText(owner);
    if (!unsaved) return;
    setUnsavedText(unsaved);
    setOpenId(unsaved.id);
  }, [owner]);

  useEffect(() => {
    // Preload the palette, so that keys typed right after ⌘K are not lost.
    const timer = setTimeout(() => void loadPalette().catch(() => null), PRELOAD_PALETTE_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);

  useEffect(() => {
    if (taskToFocus) focus(taskToFocus.id);
  }, [taskToFocus, focus]);

  const onSelect = useCallback(
    ({ id }: Task, isRange: boolean) => {
      if (isRange && current !== null) addRange(current, id);
      else toggle(id);
      setCurrent(id);
    },
    [current, addRange, toggle, setCurrent],
  );

  const onRename = useCallback(
    (edited: Task | null) => {
      setRenamingId(edited?.id ?? null);
      focus();
    },
    [focus],
  );

  const onOpen = useCallback(
    ({ id }: Task) => {
      setUnsavedText(null);
      setOpenId(id);
      setCurrent(id);
    },
    [setCurrent],
  );

  const onDelete = useCallback((one: Task) => setTasksToDelete([one]), []);

  function close() {
    setOpenId(null);
    setUnsavedText(null);
    focus();
  }

  function moveFocus(by: number) {
    const next = cursor.neighbour(by);
    if (!next) return;
    focus(next.id);
    if (openId !== null) onOpen(next);
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
    actions.move(task, by < 0 ? "before" : "after", other);
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

  function openPalette() {
    // The palette takes the focus from the row.
    setPaletteTargets(targetTasks());
    setOpenDialog("palette");
  }

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

  function focusNewTask() {
    // Rendered before the next key press.
    if (!canAdd) flushSync(() => show({ list: "all" }));
    main.current?.querySelector<HTMLInputElement>("[name=title]")?.focus();
  }

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
    "/": () => search.current?.focus(),
    "?": () => setOpenDialog("shortcuts"),
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

  const commands: PaletteCommand[] = [
    { name: "Add a task", keys: "c", run: focusNewTask },
    { name: "Search this view", keys: "/", run: () => search.current?.focus() },
    { name: "Undo", keys: `${modifier}Z`, run: undo },
    { name: "Redo", keys: `${modifier}Y`, run: redo },
    { name: "Select several", keys: "x", run: selection.startSelecting },
    { name: "Keyboard shortcuts", keys: "?", run: () => setOpenDialog("shortcuts") },
    { name: `Appearance: ${nextTheme(theme)}`, run: () => choose(nextTheme(theme)) },
    { name: "Account", run: () => window.location.assign("/account") },
  ];

  return (
    <>
      <Header email={email} onSearch={openPalette} />
      <div className={`workspace ${openTask ? "workspace-open" : ""}`}>
        <Lists />
        <main
          className="min-w-0 pb-32"
          data-complete={state.isComplete}
          id="content"
          // Clicks before the page handles events would be lost.
          inert={!isHydrated}
          ref={main}
          tabIndex={-1}
        >
          <Toolbar
            isSelecting={selection.isSelecting}
            onSelecting={selection.isSelecting ? selection.clear : selection.startSelecting}
            search={search}
          />
          {canAdd && <AddTask />}
          <SyncStatus />
          <Conflicts />
          {tasks.length > 0 ? (
            <TaskList
              actions={actions}
              canMove={canMove}
              current={current}
              renamingId={renamingId}
              hasFocus={cursor.hasFocus}
              isSelecting={selection.isSelecting}
              onDelete={onDelete}
              onRename={onRename}
              onFocusRow={focus}
              onOpen={onOpen}
              onSelect={onSelect}
              selected={selection.selected}
            />
          ) : (
            <EmptyOrLoading isKnown={state.isComplete || (isSeeded && view === serverView)} />
          )}
          <div className="page-foot">
            <ToastOutlet />
            {selectedTasks.length > 0 && (
              <BulkBar
                actions={actions}
                onAll={selection.addAll}
                onClear={selection.clear}
                onDelete={() => setTasksToDelete(selectedTasks)}
                tasks={selectedTasks}
              />
            )}
          </div>
        </main>
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
            setOpenId(null);
          }}
          tasks={tasksToDelete}
        />
      )}
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
