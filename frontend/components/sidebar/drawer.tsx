"use client";

import { useRef } from "react";
import { useDialog } from "@/components/dialog/use-dialog";
import { ToastOutlet } from "@/components/toasts/toasts";
import { Sidebar, type SidebarProps } from "./sidebar";

/** The sidebar in front of the list, on narrow screens. It is open while it is rendered. */
export function Drawer(props: SidebarProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { onHide } = props;
  useDialog(dialog, onHide);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside it; Escape does the same
    <dialog
      aria-label="Sidebar"
      className="drawer sidebar"
      onClick={(event) => {
        if (event.target === event.currentTarget) onHide();
      }}
      ref={dialog}
    >
      <Sidebar {...props} />
      <ToastOutlet />
    </dialog>
  );
}
