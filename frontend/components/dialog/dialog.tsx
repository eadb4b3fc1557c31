"use client";

import { type ReactNode, useId, useRef } from "react";
import { ToastOutlet } from "@/components/toasts/toasts";
import { useDialog } from "./use-dialog";

type Props = { title: string; onClose: () => void; children: ReactNode };

/**
 * A modal `<dialog>` of the browser: it traps the focus and returns it, Escape and Back close it,
 * and the rest of the page is inert. It is open while it is rendered.
 */
export function Dialog({ title, onClose, children }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useDialog(ref, onClose);

  return (
    <dialog
      aria-labelledby={titleId}
      className="m-auto w-[min(32rem,calc(100vw-2rem))] animate-rise rounded-2xl border border-line bg-surface p-6 text-ink shadow-lift"
      ref={ref}
    >
      <h2 className="text-lg font-semibold" id={titleId}>
        {title}
      </h2>
      {children}
      <ToastOutlet />
    </dialog>
  );
}
