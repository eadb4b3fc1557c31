import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { Credentials } from "@/components/account/credentials";
import { nextPath } from "@/lib/next-path";
import { currentSession } from "@/lib/session";

export const metadata: Metadata = { title: "Sign in" };

const REFUSED =
  "The API did not accept your session. Please sign in again. If this repeats, contact the administrator.";

const CHANGED = "Your password is changed. Sign in with the new one.";

export default async function SignInPage({ searchParams }: PageProps<"/sign-in">) {
  const { next, refused, changed } = await searchParams;
  const path = nextPath(next);
  // A person whose token the API rejected still has a session: a redirect would lead back here, in
  // a loop.
  if (refused !== undefined) return <Credentials intent="sign-in" next={path} notice={REFUSED} />;
  if (await currentSession()) redirect(path);
  const notice = changed === undefined ? undefined : CHANGED;
  return <Credentials intent="sign-in" next={path} notice={notice} />;
}
