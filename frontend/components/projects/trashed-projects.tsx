"use client";

import { RotateCcw, Trash2 } from "lucide-react";
import { useState } from "react";
import { ConfirmDelete } from "@/components/tasks/confirm-delete";
import { useView } from "@/components/tasks/tasks-context";
import { isolateText } from "@/components/tasks/text";
import type { Project } from "./project";
import { ProjectDot } from "./project-dot";
import { useProjectActions } from "./use-project-actions";
import { useProjects } from "./use-projects";

/** The projects in the trash, above the tasks in it. */
export function TrashedProjects() {
  const { view } = useView();
  const { trashed } = useProjects();
  const actions = useProjectActions();
  const [toDelete, setToDelete] = useState<Project | null>(null);
  if (view.list !== "trash" || view.search || view.priority || trashed.length === 0) return null;
  return (
    <section className="task-list">
      <h2 className="group-heading">
        Projects
        <span className="group-count">{trashed.length}</span>
      </h2>
      <ul aria-label="Projects in the trash">
        {trashed.map((project) => (
          <li aria-label={project.name} className="task-item" key={project.id}>
            <div className="task-row items-center">
              <span className="grid size-5 shrink-0 place-items-center">
                <ProjectDot color={project.color} />
              </span>
              <bdi className="task-text truncate">{project.name}</bdi>
              <button
                aria-label={`Restore the project ${project.name}`}
                className="button-quiet"
                onClick={() => actions.restore(project)}
                type="button"
              >
                <RotateCcw aria-hidden="true" className="size-4" />
              </button>
              <button
                aria-label={`Delete the project ${project.name} permanently`}
                className="button-quiet"
                onClick={() => setToDelete(project)}
                type="button"
              >
                <Trash2 aria-hidden="true" className="size-4" />
              </button>
            </div>
          </li>
        ))}
      </ul>
      {toDelete && (
        <ConfirmDelete
          onClose={() => setToDelete(null)}
          onConfirm={() => {
            actions.deletePermanently(toDelete);
            setToDelete(null);
          }}
          subject={`“${isolateText(toDelete.name)}” and its tasks`}
        />
      )}
    </section>
  );
}
