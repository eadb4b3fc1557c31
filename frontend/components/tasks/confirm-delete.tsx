"use client";

import { Dialog } from "@/components/dialog/dialog";

type Props = {
  /** What will be deleted, as the subject of a sentence. */
  subject: string;
  onConfirm: () => void;
  onClose: () => void;
};

export function ConfirmDelete({ subject, onConfirm, onClose }: Props) {
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
