import { useEffect } from "react";
import { loadSortable } from "@/components/drag/use-sortable";
import { DuePicker } from "@/components/due/due-button";
import { onDemand } from "@/lib/on-demand";
import { useStored, useView } from "./tasks-context";

/* Components that the tasks page does not need at first. */

const PRELOAD_AFTER_MS = 2_000;

export const Palette = onDemand(async () => (await import("./palette")).default);
export const BulkBar = onDemand(async () => (await import("./bulk-bar")).BulkBar);
export const Shortcuts = onDemand(async () => (await import("./shortcuts")).Shortcuts);
export const ConfirmDelete = onDemand(async () => (await import("./confirm-delete")).ConfirmDelete);
const ConflictDialogs = onDemand(async () => (await import("./conflict-dialog")).Conflicts);
const ProjectsInTrash = onDemand(
  async () => (await import("@/components/projects/trashed-projects")).TrashedProjects,
);
const PRELOADED = [
  Palette,
  BulkBar,
  Shortcuts,
  ConfirmDelete,
  ConflictDialogs,
  ProjectsInTrash,
  DuePicker,
];

/** The conflicts between texts, if there are any. */
export function Conflicts() {
  const hasConflicts = useStored((store) => store.state().conflicts.length > 0);
  return hasConflicts && <ConflictDialogs />;
}

/** The projects in the trash, in the view that shows them. */
export function TrashedProjects() {
  const { view } = useView();
  return view.list === "trash" && <ProjectsInTrash />;
}

/**
 * Load the code of these components after the page. Then no key that is typed right after ⌘K is
 * lost, and the components work without a network.
 */
export function usePreload(): void {
  useEffect(() => {
    // Load this at once, so that the first rows can be dragged as soon as possible.
    void Promise.allSettled([loadSortable()]);
    const preload = () =>
      void Promise.allSettled(PRELOADED.map((component) => component.preload()));
    const timer = setTimeout(preload, PRELOAD_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
}
