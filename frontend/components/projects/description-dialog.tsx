"use client";

import { useId, useRef, useState } from "react";
import { Dialog } from "@/components/dialog/dialog";
import { usePageLeave } from "@/components/keyboard/use-page-leave";
import { cleanDescription, isolateText, lengthProblem } from "@/components/tasks/text";
import type { Project } from "./project";
import { useProjectActions } from "./use-project-actions";

type Props = { project: Project; onClose: () => void };

/**
 * A dialog to edit the description of a project. The text is saved when the dialog is closed, and
 * when the page is left or hidden. A text that is too long stays in its field.
 */
export default function DescriptionDialog({ project, onClose }: Props) {
  const actions = useProjectActions();
  const [text, setText] = useState(project.description);
  const [baseText, setBaseText] = useState(project.description);
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const typed = cleanDescription(text);
  const problem = lengthProblem("description", typed);

  function save() {
    if (problem || typed === baseText) return;
    actions.write(project, { description: typed }, { description: baseText });
    setBaseText(typed);
  }

  function close() {
    save();
    if (problem) field.current?.focus();
    else onClose();
  }

  usePageLeave(save);
  return (
    <Dialog onClose={close} title={`Description of “${isolateText(project.name)}”`}>
      <textarea
        aria-describedby={`${id}-problem`}
        aria-invalid={problem !== null || undefined}
        aria-label="Description"
        className="field mt-3 field-sizing-content max-h-[50dvh] min-h-36 leading-relaxed"
        data-autofocus={true}
        dir="auto"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) close();
        }}
        placeholder="Goals, links, a list. Markdown works."
        ref={field}
        value={text}
      />
      <p className="mt-1 text-sm text-danger empty:hidden" id={`${id}-problem`} role="alert">
        {problem}
      </p>
      <div className="mt-4 flex justify-end">
        <button className="button button-primary" onClick={close} type="button">
          Done
        </button>
      </div>
    </Dialog>
  );
}
