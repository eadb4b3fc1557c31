import { useEffect } from "react";
import { loadSortable } from "@/components/drag/use-sortable";
import { loadDuePicker } from "@/components/due/due-button";
import { onDemand } from "@/lib/on-demand";
import { useStored, useView } from "./tasks-context";

/* Components that the tasks page does not need at first. */

const PRELOAD_AFTER_MS = 2_000;

const loadPalette = () => import("./palette");
const loadBulkBar = () => import("./bulk-bar");
const loadShortcuts = () => import("./shortcuts");
const loadConfirmDelete = () => import("./confirm-delete");
const loadConflicts = () => import("./conflict-dialog");
const loadTrashedProjects = () => import("@/components/projects/trashed-projects");
const PRELOADED = [
  loadPalette,
  loadBulkBar,
  loadShortcuts,
  loadConfirmDelete,
  loadConflicts,
  loadTrashedProjects,
  loadDuePicker,
];

export const Palette = onDemand(async () => (await loadPalette()).default);
export const BulkBar = onDemand(async () => (await loadBulkBar()).BulkBar);
export const Shortcuts = onDemand(async () => (await loadShortcuts()).Shortcuts);
export const ConfirmDelete = onDemand(async () => (await loadConfirmDelete()).ConfirmDelete);
const ConflictDialogs = onDemand(async () => (await loadConflicts()).Conflicts);
const ProjectsInTrash = onDemand(async () => (await loadTrashedProjects()).TrashedProjects);

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
    const preload = () => void Promise.allSettled(PRELOADED.map((load) => load()));
    const timer = setTimeout(preload, PRELOAD_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
}
