import type { ReactNode } from "react";

type DialogButtonsProps = { label: "Cancel" | "Close"; onClose: () => void; children?: ReactNode };

/** The button that closes a dialog, and others after it. */
export function DialogButtons({ label, onClose, children }: DialogButtonsProps) {
  return (
    <div className="mt-6 flex justify-end gap-3">
      <button className="button" onClick={onClose} type="button">
        {label}
      </button>
      {children}
    </div>
  );
}
