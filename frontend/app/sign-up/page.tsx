import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { Credentials } from "@/components/account/credentials";
import { nextPath } from "@/lib/next-path";
import { currentSession } from "@/lib/session";

export const metadata: Metadata = { title: "Create an account" };

const DELETED = "Your account and all its tasks were deleted.";

export default async function SignUpPage({ searchParams }: PageProps<"/sign-up">) {
  const { next, deleted } = await searchParams;
  const path = nextPath(next);
  if (await currentSession()) redirect(path);
  const notice = deleted === undefined ? undefined : DELETED;
  return <Credentials intent="sign-up" next={path} notice={notice} />;
}
