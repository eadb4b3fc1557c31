import type { Metadata, Viewport } from "next";
import { headers } from "next/headers";
import type { ReactNode } from "react";
import "./globals.css";

export const metadata: Metadata = {
  title: { default: "Bearer Tasks", template: "%s · Bearer Tasks" },
  description: "Your tasks, and nobody else's.",
};

export const viewport: Viewport = {
  colorScheme: "light dark",
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#f7f6f2" },
    { media: "(prefers-color-scheme: dark)", color: "#131311" },
  ],
};

export default async function RootLayout({ children }: { children: ReactNode }) {
  // A page made at build time could not carry the nonce of a request's Content-Security-Policy.
  await headers();
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
