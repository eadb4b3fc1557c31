import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { Credentials } from "@/components/account/credentials";
import { nextPath } from "@/lib/next-path";
import { currentSession } from "@/lib/session";

export const metadata: Metadata = { title: "Create an account" };

export default async function SignUpPage({ searchParams }: PageProps<"/sign-up">) {
  const path = nextPath((await searchParams).next);
  if (await currentSession()) redirect(path);
  return <Credentials intent="sign-up" next={path} />;
}
