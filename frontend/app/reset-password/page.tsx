import type { Metadata } from "next";
import { NewPassword } from "@/components/account/new-password";
import { isResetLinkValid } from "@/lib/session";

export const metadata: Metadata = { title: "New password" };

export default async function ResetPasswordPage({ searchParams }: PageProps<"/reset-password">) {
  const { token } = await searchParams;
  if (typeof token !== "string") return <NewPassword token={undefined} />;
  return <NewPassword token={(await isResetLinkValid(token)) ? token : null} />;
}
