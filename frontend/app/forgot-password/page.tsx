import type { Metadata } from "next";
import { Forgotten } from "@/components/account/forgotten";

export const metadata: Metadata = { title: "Forgotten password" };

export default function ForgotPasswordPage() {
  return <Forgotten />;
}
