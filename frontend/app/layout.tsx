import type { Metadata, Viewport } from "next";
import localFont from "next/font/local";
import { cookies } from "next/headers";
import type { ReactNode } from "react";
import { InputMethod } from "@/components/keyboard/input-method";
import { barColors, isTheme, THEME_COOKIE, type Theme } from "@/components/theme/themes";
import "./globals.css";

const sans = localFont({
  src: "../node_modules/@fontsource-variable/instrument-sans/files/instrument-sans-latin-wght-normal.woff2",
  weight: "400 700",
  display: "swap",
  variable: "--font-instrument",
});

export const metadata: Metadata = {
  title: { default: "Bearer Tasks", template: "%s · Bearer Tasks" },
  description: "Your tasks, and nobody else's.",
  appleWebApp: { title: "Bearer Tasks" },
};

async function chosenTheme(): Promise<Theme> {
  const theme = (await cookies()).get(THEME_COOKIE)?.value;
  return isTheme(theme) ? theme : "system";
}

export async function generateViewport(): Promise<Viewport> {
  return { themeColor: barColors(await chosenTheme()) };
}

export default async function RootLayout({ children }: { children: ReactNode }) {
  // Read for each request: a page made at build time cannot carry the nonce of the request's
  // Content-Security-Policy, nor the person's theme.
  const theme = await chosenTheme();
  return (
    <html className={sans.variable} data-theme={theme} lang="en">
      <body>
        <InputMethod />
        {children}
      </body>
    </html>
  );
}
