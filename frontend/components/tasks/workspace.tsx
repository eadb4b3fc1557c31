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
import { type Edit as LeftEdit, readEdit } from "./draft";
import { Empty } from "./empty";
import { Lists } from "./lists";
import type { PaletteCommand } from "./palette";
import { Shortcuts } from "./shortcuts";
import type { Task } from "./task";
import { TaskList } from "./task-list";
import { TaskPanel } from "./task-panel";
import { useTasks } from "./tasks-context";
import { Toolbar } from "./toolbar";
import { Trouble } from "./trouble";
import { useActions } from "./use-actions";
import { useCursor } from "./use-cursor";
import { useKeys } from "./use-keys";
import { useSelection } from "./use-selection";

const loadPalette = () => import("./palette");
const Palette = dynamic(loadPalette);
/** The page is done with what matters more by then. */
const PALETTE_AFTER_MS = 2_000;

type Props = {
  email: string;
  /** Whether the server rendered the view's tasks. */
  isSeeded: boolean;
};

/** The tasks page: lists beside, the tasks, and the details of one. */
export function Workspace({ email, isSeeded }: Props) {
  const { owner } = useSession();
  const { store, state, tasks, view, show, showTask, found, undo, redo } = useTasks();
  const actions = useActions();
  const isHydrated = useHydrated();
  const modifier = useModifier();
  const { theme, choose } = useTheme();
  const [editing, setEditing] = useState<string | null>(null);
  const [open, setOpen] = useState<string | null>(null);
  const [left, setLeft] = useState<LeftEdit | null>(null);
  const [doomed, setDoomed] = useState<readonly Task[]>([]);
  const [sheet, setSheet] = useState<"palette" | "shortcuts" | null>(null);
  const [firstView] = useState(view);
  const selection = useSelection(tasks);
  const cursor = useCursor(tasks, editing !== null);
  const search = useRef<HTMLInputElement>(null);
  const main = useRef<HTMLElement>(null);
  const opened = open === null ? null : store.get(open);
  const { current, focus, setCurrent } = cursor;
  const { toggle, addRange, chosen } = selection;

  useEffect(() => {
    const edit = readEdit(owner);
    if (!edit) return;
    setLeft(edit);
    setOpen(edit.id);
  }, [owner]);

  useEffect(() => {
    // So that what is typed right behind ⌘K is not lost.
    const timer = setTimeout(() => void loadPalette().catch(() => null), PALETTE_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);

  useEffect(() => {
    if (found) focus(found.id);
  }, [found, focus]);

  const onSelect = useCallback(
    ({ id }: Task, isRange: boolean) => {
      if (isRange && current !== null) addRange(current, id);
      else toggle(id);
      setCurrent(id);
    },
    [current, addRange, toggle, setCurrent],
  );

  const onEdit = useCallback(
    (edited: Task | null) => {
      setEditing(edited?.id ?? null);
      focus();
    },
    [focus],
  );

  const onOpen = useCallback(
    ({ id }: Task) => {
      setLeft(null);
      setOpen(id);
      setCurrent(id);
    },
    [setCurrent],
  );

  const onDelete = useCallback((one: Task) => setDoomed([one]), []);

  function close() {
    setOpen(null);
    setLeft(null);
    focus();
  }

  function step(by: number) {
    const next = cursor.neighbour(by);
    if (!next) return;
    focus(next.id);
    if (open !== null) onOpen(next);
  }

  /** Takes the selection one row further, or one row back. */
  function stretch(by: number) {
    const from = cursor.focused();
    const next = cursor.neighbour(by);
    if (!(from && next)) return;
    const isBack = selection.selected.has(from.id) && selection.selected.has(next.id);
    if (isBack) toggle(from.id);
    else addRange(from.id, next.id);
    focus(next.id);
  }

  function move(by: -1 | 1) {
    const task = cursor.focused();
    const other = cursor.neighbour(by);
    if (!(task && other && canMove) || other === task) return;
    actions.move(task, by < 0 ? "before" : "after", other);
  }

  /** Makes a key act on the task whose row has the focus. */
  const onRow = (run: (task: Task) => void) => () => {
    const task = cursor.focused();
    if (task) run(task);
  };

  /** What is selected, or else the task whose row has the focus. */
  function subject(): readonly Task[] {
    const task = cursor.focused();
    if (chosen.length > 0) return chosen;
    return task ? [task] : [];
  }

  function complete() {
    const some = subject();
    if (some.length > 0) actions.complete(some, !some.every(({ completed }) => completed));
  }

  function trash() {
    const some = subject();
    if (some.length === 0) return;
    if (view.list === "trash") setDoomed(some);
    else actions.trash(some);
    selection.clear();
  }

  const canMove = view.sort === "manual" && !view.search && view.list !== "trash";
  const canAdd = view.list !== "trash" && view.list !== "completed";

  function writeNew() {
    // There before the next key is.
    if (!canAdd) flushSync(() => show({ list: "all" }));
    main.current?.querySelector<HTMLInputElement>("[name=title]")?.focus();
  }

  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    "Shift+ArrowDown": () => stretch(1),
    "Shift+ArrowUp": () => stretch(-1),
    "Alt+ArrowDown": () => move(1),
    "Alt+ArrowUp": () => move(-1),
    Enter: onRow(onOpen),
    " ": complete,
    x: onRow((task) => onSelect(task, false)),
    e: onRow(onEdit),
    c: writeNew,
    "/": () => search.current?.focus(),
    "?": () => setSheet("shortcuts"),
    Delete: trash,
    Backspace: trash,
    "#": trash,
    Escape: () => (opened ? close() : selection.clear()),
    "Mod+a": selection.addAll,
    "Mod+k": () => setSheet("palette"),
    "Mod+z": undo,
    "Mod+Shift+z": redo,
    "Mod+y": redo,
  });

  const commands: PaletteCommand[] = [
    { name: "Write a new task", keys: "c", run: writeNew },
    { name: "Search this view", keys: "/", run: () => search.current?.focus() },
    { name: "Undo", keys: `${modifier}Z`, run: undo },
    { name: "Do again", keys: `${modifier}Y`, run: redo },
    { name: "Select several", keys: "x", run: selection.choose },
    { name: "Keyboard shortcuts", keys: "?", run: () => setSheet("shortcuts") },
    { name: `Appearance: ${nextTheme(theme)}`, run: () => choose(nextTheme(theme)) },
    { name: "Account", run: () => window.location.assign("/account") },
  ];

  return (
    <>
      <Header email={email} onSearch={() => setSheet("palette")} />
      <div className={`workspace ${opened ? "workspace-open" : ""}`}>
        <Lists />
        <main
          className="min-w-0 pb-32"
          data-complete={state.isComplete}
          id="content"
          // What is done before this page listens would be lost.
          inert={!isHydrated}
          ref={main}
          tabIndex={-1}
        >
          <Toolbar
            isSelecting={selection.isSelecting}
            onSelecting={selection.isSelecting ? selection.clear : selection.choose}
            search={search}
          />
          {canAdd && <AddTask />}
          <Trouble />
          <Conflicts />
          {tasks.length > 0 ? (
            <TaskList
              actions={actions}
              canMove={canMove}
              current={current}
              editing={editing}
              hasFocus={cursor.hasFocus}
              isSelecting={selection.isSelecting}
              onDelete={onDelete}
              onEdit={onEdit}
              onFocusRow={focus}
              onOpen={onOpen}
              onSelect={onSelect}
              selected={selection.selected}
            />
          ) : (
            <Nothing isKnown={state.isComplete || (isSeeded && view === firstView)} />
          )}
          <div className="foot">
            <ToastOutlet />
            {chosen.length > 0 && (
              <BulkBar
                actions={actions}
                onAll={selection.addAll}
                onClear={selection.clear}
                onDelete={() => setDoomed(chosen)}
                tasks={chosen}
              />
            )}
          </div>
        </main>
        {opened && (
          <TaskPanel
            actions={actions}
            key={opened.id}
            left={left}
            onClose={close}
            onDelete={onDelete}
            task={opened}
          />
        )}
      </div>
      {doomed.length > 0 && (
        <ConfirmDelete
          onClose={() => setDoomed([])}
          onConfirm={() => {
            actions.deleteForGood(doomed);
            setDoomed([]);
            setOpen(null);
          }}
          tasks={doomed}
        />
      )}
      {sheet === "shortcuts" && <Shortcuts onClose={() => setSheet(null)} />}
      {sheet === "palette" && (
        <Palette
          commands={commands}
          onClose={() => setSheet(null)}
          onOpen={(chosenTask) => {
            if (!tasks.includes(chosenTask)) showTask(chosenTask);
            onOpen(chosenTask);
          }}
        />
      )}
    </>
  );
}

/** Nothing is listed: since there is nothing, or since it is not known yet. */
function Nothing({ isKnown }: { isKnown: boolean }) {
  if (isKnown) return <Empty />;
  return (
    <div aria-busy="true" aria-label="Loading tasks" className="mt-4 grid gap-px" role="status">
      {["w-3/5", "w-2/5", "w-1/2", "w-2/3"].map((width) => (
        <div className="flex h-11 items-center gap-3.5 px-2" key={width}>
          <span className="size-5 rounded-full bg-line" />
          <span className={`h-3 rounded bg-line ${width}`} />
        </div>
      ))}
    </div>
  );
}
