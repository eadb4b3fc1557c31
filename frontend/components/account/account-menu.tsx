"use client";

import { CircleUser, Keyboard, LogOut, Monitor, Moon, Sun } from "lucide-react";
import { choiceOf } from "@/components/appearance/choices";
import { useChoice } from "@/components/appearance/use-choice";
import { usePage } from "@/components/header/page-link";
import { MenuButton, type MenuEntry } from "@/components/menu/menu-button";
import { useSignOut } from "./use-sign-out";

const ICON = { "aria-hidden": true, className: "size-4" } as const;
const THEMES = [
  { value: "system", name: "System", icon: <Monitor {...ICON} /> },
  { value: "light", name: "Light", icon: <Sun {...ICON} /> },
  { value: "dark", name: "Dark", icon: <Moon {...ICON} /> },
];

type Props = {
  email: string;
  /** Shows the keyboard shortcuts, on pages that have some. */
  onShortcuts?: () => void;
};

/** The menu for the account, the appearance and signing out. */
export function AccountMenu({ email, onShortcuts }: Props) {
  const [theme, choose] = useChoice("theme");
  const goToAccount = usePage("/account", "Your account");
  const signOut = useSignOut();
  const entries: MenuEntry[] = [
    { heading: email },
    { name: "Account", icon: <CircleUser {...ICON} />, run: () => void goToAccount() },
    ...(onShortcuts
      ? [{ name: "Keyboard shortcuts", icon: <Keyboard {...ICON} />, keys: "?", run: onShortcuts }]
      : []),
    "separator",
    {
      name: "Appearance",
      value: theme,
      options: THEMES,
      choose: (value) => choose(choiceOf("theme", value)),
    },
    "separator",
    { name: "Sign out", icon: <LogOut {...ICON} />, run: () => void signOut() },
  ];
  return (
    <MenuButton className="account-button" entries={entries} label={`Account: ${email}`}>
      <span aria-hidden="true" className="avatar" data-letter={email.slice(0, 1).toUpperCase()} />
      <span className="truncate">{email}</span>
    </MenuButton>
  );
}
