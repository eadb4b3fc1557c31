"use client";

import { Dialog } from "@/components/dialog/dialog";
import type { Task } from "./task";
import { isolateText } from "./text";

type Props = { tasks: readonly Task[]; onConfirm: () => void; onClose: () => void };

export function ConfirmDelete({ tasks, onConfirm, onClose }: Props) {
  const [first] = tasks;
  const subject =
    first && tasks.length === 1 ? `“${isolateText(first.title)}”` : `${tasks.length} tasks`;
  return (
    <Dialog onClose={onClose} title="Delete for good?">
      <p className="mt-2 text-muted wrap-anywhere">
        {subject} will be gone. This cannot be undone.
      </p>
      <div className="mt-6 flex flex-wrap justify-end gap-3">
        <button className="button" onClick={onClose} type="button">
          Keep
        </button>
        <button className="button button-danger" onClick={onConfirm} type="button">
          Delete for good
        </button>
      </div>
    </Dialog>
  );
}
