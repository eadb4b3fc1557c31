"use client";

import { Dialog } from "@/components/dialog/dialog";
import type { Task } from "./use-tasks";

type Props = { task: Task; onConfirm: () => void; onClose: () => void };

export function ConfirmDelete({ task, onConfirm, onClose }: Props) {
  return (
    <Dialog onClose={onClose} title="Delete for good?">
      <p className="mt-2 text-muted wrap-anywhere">
        “{task.title}” will be gone. This cannot be undone.
      </p>
      <div className="mt-6 flex flex-wrap justify-end gap-3">
        <button className="button" onClick={onClose} type="button">
          Keep it
        </button>
        <button className="button button-danger" onClick={onConfirm} type="button">
          Delete for good
        </button>
      </div>
    </Dialog>
  );
}
