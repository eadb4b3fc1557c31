"use client";

import { Dialog } from "@/components/dialog/dialog";
import { type Task, taskCount } from "./task";
import { isolateText } from "./text";

type Props = { tasks: readonly Task[]; onConfirm: () => void; onClose: () => void };

export function ConfirmDelete({ tasks, onConfirm, onClose }: Props) {
  const [first] = tasks;
  const subject =
    first && tasks.length === 1 ? `“${isolateText(first.title)}”` : taskCount(tasks.length);
  return (
    <Dialog onClose={onClose} title="Delete permanently?">
      <p className="mt-2 text-muted wrap-anywhere">
        {subject} will be deleted. This cannot be undone.
      </p>
      <div className="mt-6 flex flex-wrap justify-end gap-3">
        <button className="button" onClick={onClose} type="button">
          Cancel
        </button>
        <button className="button button-danger" onClick={onConfirm} type="button">
          Delete permanently
        </button>
      </div>
    </Dialog>
  );
}
