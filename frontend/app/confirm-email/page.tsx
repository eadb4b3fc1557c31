import type { Metadata } from "next";
import { ConfirmEmail } from "@/components/account/confirm-email";
import { confirmableAddress } from "@/lib/session";

export const metadata: Metadata = { title: "Your address" };

export default async function ConfirmEmailPage({ searchParams }: PageProps<"/confirm-email">) {
  const { token } = await searchParams;
  if (typeof token !== "string") return <ConfirmEmail email={null} token="" />;
  return <ConfirmEmail email={await confirmableAddress(token)} token={token} />;
}
