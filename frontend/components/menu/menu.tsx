"use client";

import * as Dropdown from "@radix-ui/react-dropdown-menu";
import { Check } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import type { MenuEntry, MenuProps } from "./menu-button";

/** The button and its menu, once the code of menus is loaded. */
export default function Menu({ label, entries, className, align, children }: MenuProps) {
  const button = useRef<HTMLButtonElement>(null);
  // Where the menu is rendered. Not in `body`: a modal dialog makes all elements outside of it inert,
  // and is displayed in front of them.
  const [container, setContainer] = useState<Element | null>(null);
  return (
    <Dropdown.Root
      modal={false}
      onOpenChange={() =>
        setContainer(button.current?.closest("dialog, aside, main, header") ?? null)
      }
    >
      <Dropdown.Trigger aria-label={label} className={className} ref={button} title={label}>
        {children}
      </Dropdown.Trigger>
      <Dropdown.Portal container={container}>
        <Dropdown.Content
          align={align ?? "start"}
          aria-label={label}
          className="menu"
          collisionPadding={8}
          loop={true}
          onCloseAutoFocus={(event) => {
            // Keep the focus where the chosen command has moved it.
            if (document.activeElement !== document.body) event.preventDefault();
          }}
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
