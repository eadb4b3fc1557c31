import { useMemo } from "react";
import { useApp } from "@/components/tasks/tasks-context";
import { isolateText } from "@/components/tasks/text";
import { useStore } from "@/components/tasks/use-store";
import type { ProjectColor } from "@/gql/graphql";
import { uuidv7 } from "@/lib/uuid";
import { createProject, deleteProject, moveProject, restoreProject, trashProject } from "./edits";
import type { ProjectText } from "./noun";
import { COLOR_NAMES, COLORS, type Project } from "./project";

const quoted = ({ name }: { name: string }) => `“${isolateText(name)}”`;

/** The actions for projects, each with its message and its undo. */
export function useProjectActions() {
  const store = useStore();
  const { act } = useApp();
  return useMemo(() => {
    const now = () => new Date().toISOString();
    const set = (project: Project, patch: object, message: string, isQuiet = false) =>
      act([{ noun: "projects", kind: "set", id: project.id, patch }], message, isQuiet);
    /** Move a project next to another one. */
    function move(project: Project, place: "before" | "after", other: Project) {
      act([moveProject(store, project, place, other)], `Moved ${quoted(project)}`, true);
    }
    return {
      move,
      /** Move a dragged project next to another one. */
      drop(id: string | undefined, place: "before" | "after", other: Project) {
        const project = store.tables.projects.get(id ?? "");
        if (project) move(project, place, other);
      },
      /**
       * Create a project with the next color of the list, and return its id.
       *
       * @param name a valid name.
       */
      create(name: string): string {
        const id = uuidv7();
        const all = store.tables.projects.ordered("manual");
        // The first color is gray, which means that no color was chosen.
        const color: ProjectColor = COLORS[1 + (all.length % (COLORS.length - 1))] ?? "GRAY";
        act(
          [createProject(store, { id, name, color }, now())],
          `Created ${quoted({ name })}`,
          true,
        );
        return id;
      },
      /** @param baseText the text that was edited. */
      write(project: Project, text: ProjectText, baseText: ProjectText) {
        const message = text.name === undefined ? "Changed" : "Renamed";
        const { id } = project;
        act(
          [{ noun: "projects", kind: "write", id, text, baseText }],
          `${message} ${quoted(project)}`,
          true,
        );
      },
      recolor(project: Project, color: ProjectColor) {
        set(project, { color }, `${COLOR_NAMES[color]}: ${quoted(project)}`, true);
      },
      archive(project: Project, archived: boolean) {
        const verb = archived ? "Archived" : "Unarchived";
        set(project, { archived }, `${verb} ${quoted(project)}`);
      },
      trash(project: Project) {
        const message = `Moved ${quoted(project)} and its tasks to the trash`;
        act([trashProject(store, project, now())], message);
      },
      restore(project: Project) {
        act([restoreProject(store, project)], `Restored ${quoted(project)} and its tasks`);
      },
      /** Cannot be undone: ask for confirmation first. */
      deletePermanently(project: Project) {
        store.act(
          [deleteProject(store, project)],
          `Permanently deleted ${quoted(project)} and its tasks`,
        );
      },
    };
  }, [store, act]);
}

export type ProjectActions = ReturnType<typeof useProjectActions>;
