import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { getAuth } from "./auth";
import { digest, findLink } from "./mailed-links";
import { signInPath } from "./next-path";
import type { OwnSession } from "./own-sessions";

/**
 * Return the session of the current request, or null.
 *
 * @throws if the database does not answer: an outage must not sign anyone out.
 */
export async function currentSession() {
  // Awaited first, which makes the page dynamic before `getAuth` needs an environment.
  const requestHeaders = await headers();
  return getAuth().api.getSession({
    headers: requestHeaders,
    // A page cannot set the renewed cookie: the session would be extended, but its cookie would
    // expire. `GET /api/auth/token` extends both.
    query: { disableRefresh: true },
  });
}

/** Return the session, or redirect to sign-in and then back to `path`. */
export async function requireSession(path: string) {
  const session = await currentSession();
  if (!session) redirect(signInPath(path));
  return session;
}

/** Return a person's valid sessions without their tokens, the latest first, at most 100. */
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

/** Return the address that a link confirms; null if the link is no longer valid. */
export async function confirmableAddress(token: string): Promise<string | null> {
  const { internalAdapter } = await getAuth().$context;
  const link = await findLink(internalAdapter, "email", token);
  if (!link) return null;
  const user = await internalAdapter.findUserById(link.userId);
  const account = await internalAdapter.findCredentialAccount(link.userId);
  const isSame = user?.email === link.address && digest(account?.password ?? "") === link.password;
  return isSame ? link.to : null;
}

/** Whether a link to choose a new password is still valid. */
export async function isResetLinkValid(token: string): Promise<boolean> {
  const { internalAdapter } = await getAuth().$context;
  const link = await findLink(internalAdapter, "password", token);
  if (!link) return false;
  return (await internalAdapter.findUserById(link.userId))?.email === link.address;
}
