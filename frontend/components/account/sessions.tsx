"use client";

import { useRouter } from "next/navigation";
import { useEffect, useRef, useState, useTransition } from "react";
import { useToast } from "@/components/toasts/toasts";
import { authClient } from "@/lib/auth-client";
import { isServerReachable } from "@/lib/reach";
import { useHydrated } from "@/lib/use-hydrated";
import { LocalTime } from "./local-time";
import { requestOutcome } from "./problem";

export type SessionRow = {
  id: string;
  /** For example "Firefox on Windows". */
  device: string;
  ipAddress: string;
  signedInAt: string;
  /** When the session was last extended; null if it was not. */
  extendedAt: string | null;
  isCurrent: boolean;
};

/** The person's sessions, each with a button that ends it. */
export function Sessions({ sessions }: { sessions: readonly SessionRow[] }) {
  const router = useRouter();
  const toast = useToast();
  const isHydrated = useHydrated();
  const [isRefreshing, startRefreshing] = useTransition();
  const [isEnding, setEnding] = useState(false);
  const list = useRef<HTMLUListElement>(null);
  const isDisabled = !isHydrated || isEnding || isRefreshing;

  useEffect(() => {
    // Sessions may have begun or ended since, or another person signed in.
    const onReturn = async () => {
      if (document.visibilityState === "visible" && (await isServerReachable())) router.refresh();
    };
    document.addEventListener("visibilitychange", onReturn);
    return () => document.removeEventListener("visibilitychange", onReturn);
  }, [router]);

  async function endSessions(
    path: "/end-session" | "/end-other-sessions",
    id: string | null,
    message: string,
  ) {
    setEnding(true);
    const outcome = await requestOutcome(() =>
      authClient.$fetch(path, { method: "POST", body: id === null ? {} : { id } }),
    );
    if (outcome === "leaving") return;
    setEnding(false);
    if (outcome) {
      toast({
        message: outcome.message,
        isError: true,
        action: { label: "Try again", run: () => void endSessions(path, id, message) },
      });
      return;
    }
    toast({ message });
    // The button that had the focus disappears.
    list.current?.focus();
    startRefreshing(() => router.refresh());
  }

  return (
    <>
      <ul
        aria-label="Sessions"
        className="mt-4 divide-y divide-line rounded-sm"
        ref={list}
        tabIndex={-1}
      >
        {sessions.map(({ id, device, ipAddress, signedInAt, extendedAt, isCurrent }) => (
          <li
            aria-label={device}
            className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 py-3.5"
            key={id}
          >
            <div className="min-w-0 basis-60 grow">
              <p className="flex flex-wrap items-center gap-x-2.5 gap-y-1 font-medium">
                {device}
                {isCurrent && (
                  <span className="rounded-full bg-wash px-2.5 py-0.5 text-sm">This browser</span>
                )}
              </p>
              <p className="mt-0.5 text-sm text-muted wrap-anywhere">
                Signed in <LocalTime at={signedInAt} />
                {ipAddress && ` from ${ipAddress}`}
                {extendedAt && (
                  <>
                    , last seen <LocalTime at={extendedAt} /> or later
                  </>
                )}
              </p>
            </div>
            {!isCurrent && (
              <button
                aria-label={`Sign out there: ${device}`}
                className="button"
                disabled={isDisabled}
                onClick={() => void endSessions("/end-session", id, `Signed out: ${device}.`)}
                type="button"
              >
                Sign out there
              </button>
            )}
          </li>
        ))}
      </ul>
      {sessions.length > 1 && (
        <button
          className="button mt-3"
          disabled={isDisabled}
          onClick={() =>
            void endSessions("/end-other-sessions", null, "Signed out everywhere else.")
          }
          type="button"
        >
          Sign out everywhere else
        </button>
      )}
    </>
  );
}
