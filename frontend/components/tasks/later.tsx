import dynamic from "next/dynamic";
import { useTasks } from "./tasks-context";

// Components that the page does not need at first.
const loadPalette = () => import("./palette");
const loadBulkBar = () => import("./bulk-bar");
const loadShortcuts = () => import("./shortcuts");
const loadConfirmDelete = () => import("./confirm-delete");
const loadConflicts = () => import("./conflict-dialog");
const loadTrashedProjects = () => import("@/components/projects/trashed-projects");

export const Palette = dynamic(loadPalette);
export const BulkBar = dynamic(async () => (await loadBulkBar()).BulkBar);
export const Shortcuts = dynamic(async () => (await loadShortcuts()).Shortcuts);
export const ConfirmDelete = dynamic(async () => (await loadConfirmDelete()).ConfirmDelete);
const ProjectsInTrash = dynamic(async () => (await loadTrashedProjects()).TrashedProjects);

const ConflictDialogs = dynamic(async () => (await loadConflicts()).Conflicts);

/** The conflicts between texts, if there are any. */
export function Conflicts() {
  const { state } = useTasks();
  return state.conflicts.length > 0 && <ConflictDialogs />;
}

/** The projects in the trash, in the view that shows them. */
export function TrashedProjects() {
  const { view } = useTasks();
  return view.list === "trash" && <ProjectsInTrash />;
}

/** Load the code of these components, so that they open at once and without a network. */
export function loadLater(): void {
  const loads = [
    loadPalette,
    loadBulkBar,
    loadShortcuts,
    loadConfirmDelete,
    loadTrashedProjects,
    loadConflicts,
  ];
  void Promise.allSettled(loads.map((load) => load()));
}
