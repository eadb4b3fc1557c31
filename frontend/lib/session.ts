import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { getAuth } from "./auth";
import { signInPath } from "./next-path";

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
