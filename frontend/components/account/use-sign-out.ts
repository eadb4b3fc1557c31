import { eraseOfflineCopy } from "@/components/offline/offline-copy";
import { useToast } from "@/components/toasts/toasts";
import { announceSignOut, leave, setLeaving } from "./signed-out";

async function isDone(): Promise<boolean> {
  try {
    // Better Auth's client is loaded only now, because the tasks do not need it.
    const { authClient } = await import("@/lib/auth-client");
    const { error } = await authClient.signOut();
    return !error;
  } catch {
    return false;
  }
}

/** Return a function that signs the person out of this browser. */
export function useSignOut(): () => Promise<void> {
  const toast = useToast();
  return async function signOut() {
    setLeaving(true);
    if (await isDone()) {
      announceSignOut();
      leave("/sign-in");
      return;
    }
    setLeaving(false);
    // Only the server can end the session. Until then, the next person must not see the tasks.
    void eraseOfflineCopy();
    toast({
      name: "sign-out",
      message: "Not signed out. Check your connection and try again.",
      isError: true,
      action: { label: "Try again", run: () => void signOut() },
    });
  };
}
