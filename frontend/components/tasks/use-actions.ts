import { useMemo } from "react";
import { toBatches } from "@/components/store/batches";
import { positionsAt } from "@/components/store/order";
import type { Priority } from "@/gql/graphql";
import type { TaskEdit, Text } from "./noun";
import { formatDay, PRIORITY_NAMES, type Task, taskCount } from "./task";
import { useApp } from "./tasks-context";
import { isolateText } from "./text";
import { useStore } from "./use-store";

/** Return the title of one task, or the number of several. */
export const describeTasks = (tasks: readonly Task[]) =>
  tasks[0] && tasks.length === 1 ? `“${isolateText(tasks[0].title)}”` : taskCount(tasks.length);

/** Return one edit for each request that the tasks need. */
const batched = (tasks: readonly Task[], edit: (ids: string[]) => TaskEdit): TaskEdit[] =>
  toBatches(tasks.map(({ id }) => id)).map(edit);

/** The actions for one or more tasks, each with its message. */
export function useActions() {
  const store = useStore();
  const { act, today } = useApp();
  return useMemo(() => {
    const { tables } = store;
    const now = () => new Date().toISOString();
    function setMany(tasks: readonly Task[], patch: object, message: string, isQuiet?: boolean) {
      const at = now();
      const edit = (ids: string[]): TaskEdit => ({
        noun: "tasks",
        kind: "set-many",
        ids,
        patch,
        at,
      });
      act(batched(tasks, edit), message, isQuiet);
    }
    function setProject(tasks: readonly Task[], id: string | null) {
      const project = id === null ? null : tables.projects.get(id);
      const message =
        project === null
          ? `No project for ${describeTasks(tasks)}`
          : `Moved ${describeTasks(tasks)} to ${isolateText(project.name)}`;
      setMany(tasks, { projectId: project?.id ?? null }, message, tasks.length === 1);
    }
    /** Move tasks next to another one in the manual order. */
    function move(tasks: readonly Task[], place: "before" | "after", other: Task) {
      const others = tables.tasks.ordered("manual").filter((one) => !tasks.includes(one));
      const index = others.findIndex(({ id }) => id === other.id) + Number(place === "after");
      const positions = positionsAt(others, index, tasks.length);
      const edits = tasks.map(
        ({ id }, at): TaskEdit => ({
          noun: "tasks",
          kind: "set",
          id,
          patch: { position: positions[at] },
        }),
      );
      act(edits, `Moved ${describeTasks(tasks)}`, true);
    }
    function trash(tasks: readonly Task[]) {
      const at = now();
      const edit = (ids: string[]): TaskEdit => ({ noun: "tasks", kind: "trash", ids, at });
      act(batched(tasks, edit), `Moved ${describeTasks(tasks)} to the trash`);
    }
    /** Return the tasks with these ids that exist. */
    const tasksOf = (ids: readonly string[]) =>
      ids.map((id) => tables.tasks.get(id)).filter((task) => task !== null);
    return {
      setProject,
      move,
      trash,
      /** Move dragged tasks next to another one. */
      drop(ids: readonly string[], place: "before" | "after", otherId: string) {
        const other = tables.tasks.get(otherId);
        if (other) move(tasksOf(ids), place, other);
      },
      /** Move dragged tasks to a project. */
      dropInto: (ids: readonly string[], project: string) => setProject(tasksOf(ids), project),
      complete(tasks: readonly Task[], completed: boolean) {
        setMany(
          tasks,
          { completed },
          `${completed ? "Completed" : "Reopened"} ${describeTasks(tasks)}`,
        );
      },
      setDue(tasks: readonly Task[], dueOn: string | null) {
        const message = dueOn === null ? "No due date for" : `Due ${formatDay(dueOn, today)}:`;
        setMany(tasks, { dueOn }, `${message} ${describeTasks(tasks)}`, tasks.length === 1);
      },
      setPriority(tasks: readonly Task[], priority: Priority) {
        const message = `Priority ${PRIORITY_NAMES[priority]}: ${describeTasks(tasks)}`;
        setMany(tasks, { priority }, message, tasks.length === 1);
      },
      addLabel(tasks: readonly Task[], label: string) {
        const message = `Added #${isolateText(label)} to ${describeTasks(tasks)}`;
        setMany(tasks, { addLabels: [label] }, message, tasks.length === 1);
      },
      removeLabel(tasks: readonly Task[], label: string) {
        const message = `Removed #${isolateText(label)} from ${describeTasks(tasks)}`;
        setMany(tasks, { removeLabels: [label] }, message, tasks.length === 1);
      },
      /** Move all tasks to the trash for which the function returns true. */
      trashAll(isIncluded: (task: Task) => boolean) {
        trash(tables.tasks.ordered("manual").filter(isIncluded));
      },
      restore(tasks: readonly Task[]) {
        const edit = (ids: string[]): TaskEdit => ({ noun: "tasks", kind: "restore", ids });
        act(batched(tasks, edit), `Restored ${describeTasks(tasks)}`);
      },
      /** Cannot be undone: ask for confirmation first. */
      deletePermanently(tasks: readonly Task[]) {
        store.act(
          batched(tasks, (ids) => ({ noun: "tasks", kind: "delete", ids })),
          `Permanently deleted ${describeTasks(tasks)}`,
        );
      },
      /**
       * @param baseText the text that was edited.
       * @param coalesce whether this is undone together with the text edit before, which it
       * continues.
       */
      write(task: Task, text: Text, baseText: Text, coalesce = false) {
        const edit: TaskEdit = { noun: "tasks", kind: "write", id: task.id, text, baseText };
        store.act([edit], `Changed ${describeTasks([task])}`, coalesce);
      },
    };
  }, [store, act, today]);
}

export type Actions = ReturnType<typeof useActions>;
