"use client";

import { Pencil } from "lucide-react";
import { memo, useState } from "react";
import { onDemand } from "@/lib/on-demand";
import type { Project } from "./project";

const DescriptionDialog = onDemand(async () => (await import("./description-dialog")).default);
const Markdown = onDemand(async () => (await import("@/components/tasks/markdown")).default);

/** Longer descriptions are shown in part, so that the tasks stay in view. */
const MAX_SHOWN = { characters: 400, lines: 6 };

const isLong = (text: string) =>
  text.length > MAX_SHOWN.characters || text.split("\n").length > MAX_SHOWN.lines;

/** The description of a project, below the title of its view. */
export const ProjectDescription = memo(({ project }: { project: Project }) => {
  const [isEditing, setEditing] = useState(false);
  const [isExpanded, setExpanded] = useState(false);
  const { description } = project;
  const isCut = isLong(description) && !isExpanded;
  return (
    <>
      {description !== "" && (
        <section aria-label="Description of the project" className="project-description">
          {/* biome-ignore lint/a11y/noStaticElementInteractions: the button does the same */}
          <div className="prose" data-cut={isCut} onDoubleClick={() => setEditing(true)}>
            <Markdown text={description} />
          </div>
          {isLong(description) && (
            <button
              aria-expanded={isExpanded}
              className="link text-sm"
              onClick={() => setExpanded(!isExpanded)}
              type="button"
            >
              {isExpanded ? "Show less" : "Show all"}
            </button>
          )}
          <button
            aria-label="Edit the description"
            className="button-quiet"
            onClick={() => setEditing(true)}
            title="Edit the description"
            type="button"
          >
            <Pencil aria-hidden="true" className="size-4" />
          </button>
        </section>
      )}
      {isEditing && <DescriptionDialog onClose={() => setEditing(false)} project={project} />}
    </>
  );
});
