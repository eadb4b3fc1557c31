"use client";

import { type KeyboardEvent, type PointerEvent, type ReactNode, useEffect, useState } from "react";
import { useHydrated } from "@/lib/use-hydrated";

export type MenuEntry =
  | "separator"
  | { heading: string }
  | { name: string; icon?: ReactNode; keys?: string; run: () => void }
  | {
      name: string;
      value: string;
      options: readonly { value: string; name: string; icon?: ReactNode }[];
      choose: (value: string) => void;
    };

export type MenuProps = {
  /** The name of the button and of its menu. */
  label: string;
  entries: readonly MenuEntry[];
  className: string;
  /** The side of the button on which the menu is aligned: by default its start. */
  align?: "end";
  children: ReactNode;
};

/** The menu, once its code is loaded. React's `lazy` would show the first menu 300 ms later. */
let Menu: typeof import("./menu").default | undefined;

async function loadMenu(): Promise<void> {
  Menu ??= (await import("./menu")).default;
}

/**
 * A button that opens a menu. The menu is not rendered before it is opened for the first time: the
 * closed menus of 500 projects would slow down each edit.
 */
export function MenuButton({ label, className, children, ...menu }: MenuProps) {
  const isHydrated = useHydrated();
  const [isOpen, setOpen] = useState<boolean>(false);
  // Null until the menu is opened for the first time.
  const [opened, setOpened] = useState<{ button: HTMLButtonElement; isByKey: boolean } | null>(
    null,
  );

  // The page does not need the code of menus at first, so it is loaded later. If that fails, the
  // browser logs why, and a click tries again.
  useEffect(() => void loadMenu().catch(() => undefined), []);

  function open(button: HTMLButtonElement, isByKey: boolean) {
    const render = () => setOpened({ button, isByKey });
    setOpen(true);
    if (Menu) render();
    else loadMenu().then(render, () => setOpen(false));
  }

  function onPointerDown(event: PointerEvent<HTMLButtonElement>) {
    if (event.button !== 0 || event.ctrlKey) return;
    if (isOpen) return setOpen(false);
    // Otherwise the button would take the focus from the menu.
    event.preventDefault();
    open(event.currentTarget, false);
  }

  function onKeyDown(event: KeyboardEvent<HTMLButtonElement>) {
    if (!["Enter", " ", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    if (isOpen && event.key !== "ArrowDown") setOpen(false);
    else open(event.currentTarget, true);
  }

  return (
    <>
      <button
        aria-expanded={isOpen}
        aria-haspopup="menu"
        aria-label={label}
        className={className}
        data-state={isOpen ? "open" : "closed"}
        disabled={!isHydrated}
        onKeyDown={onKeyDown}
        onPointerDown={onPointerDown}
        title={label}
        type="button"
      >
        {children}
      </button>
      {Menu && opened && (
        <Menu {...menu} {...opened} isOpen={isOpen} label={label} onOpen={setOpen} />
      )}
    </>
  );
}
