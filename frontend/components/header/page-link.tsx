"use client";

import Link from "next/link";
import { useRouter } from "next/navigation";
import type { ComponentProps } from "react";
import { useToast } from "@/components/toasts/toasts";
import { isServerReachable } from "@/lib/reach";

type Props = Omit<ComponentProps<typeof Link>, "href" | "onNavigate"> & {
  href: string;
  /** The name of the page, for the message that it cannot be shown. */
  name: string;
};

/**
 * Return a function that goes to a page that the server renders. If the server does not answer, the
 * person stays on this page with its unsaved changes and sees a message.
 */
export function usePage(href: string, name: string): () => Promise<void> {
  const router = useRouter();
  const toast = useToast();

  return async function go() {
    if (await isServerReachable()) return router.push(href);
    toast({
      name: "page-link",
      message: `${name} needs the server, which does not answer. Check your connection.`,
      isError: true,
      action: { label: "Try again", run: () => void go() },
    });
  };
}

/** A link to a page that the server renders. */
export function PageLink({ href, name, ...props }: Props) {
  const go = usePage(href, name);
  return (
    <Link
      {...props}
      href={href}
      onNavigate={(event) => {
        event.preventDefault();
        void go();
      }}
    />
  );
}
