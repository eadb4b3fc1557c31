"use client";

import { type RefObject, useState } from "react";
import { ToastOutlet } from "@/components/toasts/toasts";
import { useHydrated } from "@/lib/use-hydrated";
import { AddTask } from "./add-task";
import { BulkBar, Conflicts, TrashedProjects } from "./code-on-demand";
import { DoneToday, useDoneToday } from "./done-today";
import { AllDone, EmptyOrLoading } from "./empty";
import { ListHead } from "./list-head";
import { RowMotion } from "./row-motion";
import { TrashSamples } from "./samples";
import { SyncStatus } from "./sync-status";
import { type SharedRowProps, TaskList } from "./task-list";
import { useStored, useTasks, useView } from "./tasks-context";
import type { Cursor } from "./use-cursor";
import type { Selection } from "./use-selection";

// Created once, because `TaskArea` renders again with each change of the tasks.
const ADD_TASK = <AddTask />;

type Props = {
  row: SharedRowProps;
  cursor: Cursor;
  selection: Selection;
  renamingId: string | null;
  /** Whether the view can contain a new task. */
  canAdd: boolean;
  /** Whether the server rendered the view's tasks. */
  isSeeded: boolean;
  main: RefObject<HTMLElement | null>;
  search: RefObject<HTMLInputElement | null>;
  onDeleteSelected: () => void;
  onSidebar: () => void;
};

/** The tasks of the view, with the title and the field for a new task above them. */
export function TaskArea(props: Props) {
  const { row, cursor, selection, renamingId, canAdd, isSeeded, main, search } = props;
  const { onDeleteSelected, onSidebar } = props;
  const { view } = useView();
  const { tasks } = useTasks();
  const isComplete = useStored((store) => store.state().isComplete);
  const hasNoPendingEdits = useStored((store) => store.state().pendingCount === 0);
  const isHydrated = useHydrated();
  const [serverView] = useState(view);
  const { doneToday, isAllDone } = useDoneToday();
  return (
    <main
      className="list-area"
      data-complete={isComplete}
      data-saved={hasNoPendingEdits}
      id="content"
      // Clicks before the page handles events would be lost.
      inert={!isHydrated}
      ref={main}
      tabIndex={-1}
    >
      <ListHead
        isSelecting={selection.isSelecting}
        onSelecting={selection.isSelecting ? selection.clear : selection.startSelecting}
        onSidebar={onSidebar}
        search={search}
      />
      {canAdd && ADD_TASK}
      <SyncStatus />
      <Conflicts />
      <TrashedProjects />
      <TrashSamples actions={row.actions} />
      <RowMotion>
        {tasks.length > 0 && (
          <TaskList
            {...row}
            current={cursor.current}
            hasFocus={cursor.hasFocus}
            onFocusRow={cursor.focus}
            renamingId={renamingId}
            selected={selection.selected}
          />
        )}
        {tasks.length === 0 && !isAllDone && (
          <EmptyOrLoading isKnown={isComplete || (isSeeded && view === serverView)} />
        )}
        {isAllDone && <AllDone count={doneToday.length + tasks.length} />}
      </RowMotion>
      <DoneToday {...row} canMove={false} tasks={doneToday} />
      <div className="page-foot">
        <ToastOutlet />
        {selection.selectedTasks.length > 0 && (
          <BulkBar
            actions={row.actions}
            onAll={selection.addAll}
            onClear={selection.clear}
            onDelete={onDeleteSelected}
            tasks={selection.selectedTasks}
          />
        )}
      </div>
    </main>
  );
}
