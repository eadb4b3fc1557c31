"use client";

import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useEffect,
  useId,
  useState,
} from "react";
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
 * A button that opens a menu. A closed menu is not rendered: the menus of 500 projects would slow
 * down each edit.
 */
export function MenuButton({ label, className, children, ...menu }: MenuProps) {
  const isHydrated = useHydrated();
  const id = useId();
  const [opened, setOpened] = useState<{ button: HTMLButtonElement; isByKey: boolean } | null>(
    null,
  );
  const isShown = Menu !== undefined && opened !== null;

  // The page does not need the code of menus at first, so it is loaded later. If that fails, the
  // browser logs why, and a click tries again.
  useEffect(() => void loadMenu().catch(() => undefined), []);

  function open(button: HTMLButtonElement, isByKey: boolean) {
    setOpened({ button, isByKey });
    if (Menu) return;
    // Do not open a menu that was closed while its code was loaded.
    const render = () => setOpened((latest) => latest && { ...latest });
    loadMenu().then(render, () => setOpened(null));
  }

  function close() {
    // Otherwise the page would get the keys that are pressed before Radix moves the focus, which it
    // does in a timer.
    if (document.getElementById(id)?.contains(document.activeElement)) opened?.button.focus();
    setOpened(null);
  }

  function onPointerDown(event: PointerEvent<HTMLButtonElement>) {
    if (event.button !== 0 || event.ctrlKey) return;
    if (opened) return close();
    // Otherwise the button would take the focus from the menu.
    event.preventDefault();
    open(event.currentTarget, false);
  }

  function onKeyDown(event: KeyboardEvent<HTMLButtonElement>) {
    const isClosing = opened && ["Enter", " ", "Escape"].includes(event.key);
    if (!(isClosing || ["Enter", " ", "ArrowDown"].includes(event.key))) return;
    event.preventDefault();
    if (isClosing) close();
    else open(event.currentTarget, true);
  }

  return (
    <>
      <button
        aria-controls={isShown ? id : undefined}
        aria-expanded={isShown}
        aria-haspopup="menu"
        aria-label={label}
        className={className}
        data-state={opened ? "open" : "closed"}
        disabled={!isHydrated}
        onKeyDown={onKeyDown}
        onPointerDown={onPointerDown}
        title={label}
        type="button"
      >
        {children}
      </button>
      {Menu && opened && <Menu {...menu} {...opened} id={id} label={label} onClose={close} />}
    </>
  );
}
