import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { getAuth } from "./auth";
import { digest, findLink } from "./mailed-links";
import { signInPath } from "./next-path";
import type { OwnSession } from "./own-sessions";

/**
 * The session of the request being rendered, or null.
 *
 * @throws when the database does not answer: an outage is not a sign-out.
 */
export async function currentSession() {
  // Awaited first: it marks the page as dynamic before `getAuth` would ask for an environment.
  const requestHeaders = await headers();
  return getAuth().api.getSession({
    headers: requestHeaders,
    // A page cannot set the renewed cookie, and a session extended without its cookie would run out
    // in the browser. `GET /api/auth/token` extends both.
    query: { disableRefresh: true },
  });
}

/** The session, or on to sign-in and back to `path`. */
export async function requireSession(path: string) {
  const session = await currentSession();
  if (!session) redirect(signInPath(path));
  return session;
}

/** Somebody's sessions that have not run out, the latest first, 100 at most. Never their tokens. */
export async function sessionsOf(userId: string): Promise<OwnSession[]> {
  const { adapter } = await getAuth().$context;
  return adapter.findMany<OwnSession>({
    model: "session",
    select: ["id", "createdAt", "updatedAt", "ipAddress", "userAgent"],
    where: [
      { field: "userId", value: userId },
      { field: "expiresAt", operator: "gt", value: new Date() },
    ],
    sortBy: { field: "createdAt", direction: "desc" },
    limit: 100,
  });
}

/** The address that a link would make somebody's; null when the link is no longer good. */
export async function confirmableAddress(token: string): Promise<string | null> {
  const { internalAdapter } = await getAuth().$context;
  const link = await findLink(internalAdapter, "email", token);
  if (!link) return null;
  const user = await internalAdapter.findUserById(link.userId);
  const account = await internalAdapter.findCredentialAccount(link.userId);
  const isSame = user?.email === link.address && digest(account?.password ?? "") === link.password;
  return isSame ? link.to : null;
}

/** Whether a link to choose a new password with would still be taken. */
export async function isResetLinkValid(token: string): Promise<boolean> {
  const { internalAdapter } = await getAuth().$context;
  const link = await findLink(internalAdapter, "password", token);
  if (!link) return false;
  return (await internalAdapter.findUserById(link.userId))?.email === link.address;
}
