"use client";

import * as Dropdown from "@radix-ui/react-dropdown-menu";
import { Check } from "lucide-react";
import {
  type FocusEvent,
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  useImperativeHandle,
  useState,
} from "react";
import type { MenuEntry, MenuProps } from "./menu-button";

type Props = Pick<MenuProps, "label" | "entries" | "align"> & {
  id: string;
  button: HTMLButtonElement;
  /** Whether a key opened the menu, and not the pointer. */
  isByKey: boolean;
  /** Removes the menu, and moves the focus out of it. */
  onClose: () => void;
};

/** The open menu of a button. The menu is placed next to the button. */
export default function Menu({ id, label, entries, align, button, isByKey, onClose }: Props) {
  // Radix focuses the first entry if a key opens the menu. It does not notice a key that was
  // pressed before this component was rendered.
  const [mustFocusFirst, setMustFocusFirst] = useState(isByKey);

  function onFocus({ currentTarget, target }: FocusEvent) {
    if (!mustFocusFirst || target !== currentTarget) return;
    setMustFocusFirst(false);
    currentTarget.querySelector<HTMLElement>("[data-radix-collection-item]")?.focus();
  }

  function onKeyDownCapture(event: KeyboardEvent) {
    if (event.key !== "Tab") return;
    // Radix would ignore the key. So the browser moves the focus from the button.
    event.stopPropagation();
    onClose();
  }

  return (
    <Dropdown.Root modal={false} onOpenChange={onClose} open={true}>
      <Dropdown.Trigger asChild={true}>
        <Button button={button} />
      </Dropdown.Trigger>
      {/* Not in `body`: a modal dialog makes all elements outside of it inert. */}
      <Dropdown.Portal container={button.closest("dialog, aside, main, header")}>
        <Dropdown.Content
          align={align ?? "start"}
          aria-label={label}
          // Radix would refer to the id of its trigger, which the button does not have.
          aria-labelledby={undefined}
          className="menu"
          collisionPadding={8}
          id={id}
          loop={true}
          // `onClose` has moved the focus, and the chosen command may have moved it since.
          onCloseAutoFocus={(event) => event.preventDefault()}
          onFocus={onFocus}
          onKeyDownCapture={onKeyDownCapture}
          sideOffset={6}
        >
          {entries.map((entry, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a menu's entries do not move
            <Entry entry={entry} key={index} />
          ))}
        </Dropdown.Content>
      </Dropdown.Portal>
    </Dropdown.Root>
  );
}

/** Use the existing button as the trigger of Radix. */
function Button({ button, ref }: Pick<Props, "button"> & { ref?: Ref<HTMLButtonElement> }) {
  useImperativeHandle(ref, () => button, [button]);
  return null;
}

function Entry({ entry }: { entry: MenuEntry }): ReactNode {
  if (entry === "separator") return <Dropdown.Separator className="menu-separator" />;
  if ("heading" in entry) {
    return <Dropdown.Label className="menu-heading truncate">{entry.heading}</Dropdown.Label>;
  }
  if ("options" in entry) {
    return (
      <Dropdown.RadioGroup aria-label={entry.name} onValueChange={entry.choose} value={entry.value}>
        <Dropdown.Label className="menu-heading">{entry.name}</Dropdown.Label>
        {entry.options.map(({ value, name, icon }) => (
          <Dropdown.RadioItem
            className="menu-entry"
            key={value}
            // The menu stays open, so that the person can choose more.
            onSelect={(event) => event.preventDefault()}
            value={value}
          >
            {icon}
            {name}
            <Dropdown.ItemIndicator className="ml-auto">
              <Check aria-hidden="true" className="size-4" />
            </Dropdown.ItemIndicator>
          </Dropdown.RadioItem>
        ))}
      </Dropdown.RadioGroup>
    );
  }
  return (
    <Dropdown.Item className="menu-entry" onSelect={entry.run}>
      {entry.icon}
      {entry.name}
      {entry.keys && <kbd className="key ml-auto">{entry.keys}</kbd>}
    </Dropdown.Item>
  );
}
