"use client";

import { useState } from "react";
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
