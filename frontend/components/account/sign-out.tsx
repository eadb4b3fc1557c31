"use client";

import { useState } from "react";
import { eraseOfflineCopy } from "@/components/offline/offline-copy";
import { authClient } from "@/lib/auth-client";
import { useHydrated } from "@/lib/use-hydrated";
import { announceSignOut, leave, setLeaving } from "./signed-out";

async function isDone(): Promise<boolean> {
  try {
    const { error } = await authClient.signOut();
    return !error;
  } catch {
    return false;
  }
}

export function SignOut() {
  const isHydrated = useHydrated();
  const [state, setState] = useState<"idle" | "pending" | "failed">("idle");

  async function signOut() {
    setState("pending");
    setLeaving(true);
    if (!(await isDone())) {
      setLeaving(false);
      // The session goes on, since only the server can end it. The next one here must not see the tasks.
      void eraseOfflineCopy();
      return setState("failed");
    }
    announceSignOut();
    leave("/sign-in");
  }

  return (
    <>
      <span className="text-danger" role="status">
        {state === "failed" && "Not signed out. Try again."}
      </span>
      <button
        className="button-quiet -mr-3 px-3 whitespace-nowrap"
        disabled={!isHydrated || state === "pending"}
        onClick={signOut}
        type="button"
      >
        Sign out
      </button>
    </>
  );
}
