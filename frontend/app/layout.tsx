import type { Metadata, Viewport } from "next";
import localFont from "next/font/local";
import { cookies } from "next/headers";
import type { ReactNode } from "react";
import { barColors, type ChoiceName, choiceOf } from "@/components/appearance/choices";
import { InputMethod } from "@/components/keyboard/input-method";
import { TRACES_META } from "@/lib/traceparent";
import "./globals.css";

const sans = localFont({
  src: "../node_modules/@fontsource-variable/public-sans/files/public-sans-latin-wght-normal.woff2",
  weight: "400 700",
  display: "swap",
  variable: "--font-latin",
});

// A file with the letters of other Latin scripts, such as Polish. A browser loads the file only for
// a page that contains one of these letters.
const sansExtended = localFont({
  src: "../node_modules/@fontsource-variable/public-sans/files/public-sans-latin-ext-wght-normal.woff2",
  weight: "400 700",
  display: "swap",
  preload: false,
  adjustFontFallback: false,
  variable: "--font-latin-extended",
  declarations: [
    {
      prop: "unicode-range",
      value:
        "U+0100-02BA, U+02BD-02C5, U+02C7-02CC, U+02CE-02D7, U+02DD-02FF, U+1D00-1DBF, U+1E00-1E9F, U+1EF2-1EFF, U+2020, U+20A0-20AB, U+20AD-20C0, U+2113, U+2C60-2C7F, U+A720-A7FF",
    },
  ],
});

const sansVietnamese = localFont({
  src: "../node_modules/@fontsource-variable/public-sans/files/public-sans-vietnamese-wght-normal.woff2",
  weight: "400 700",
  display: "swap",
  preload: false,
  adjustFontFallback: false,
  variable: "--font-vietnamese",
  declarations: [
    {
      prop: "unicode-range",
      value:
        "U+0102-0103, U+0110-0111, U+0128-0129, U+0168-0169, U+01A0-01A1, U+01AF-01B0, U+0300-0301, U+0303-0304, U+0308-0309, U+0323, U+0329, U+1EA0-1EF9, U+20AB",
    },
  ],
});

export const metadata: Metadata = {
  title: { default: "Bearer Tasks", template: "%s · Bearer Tasks" },
  description: "Your tasks, and nobody else's.",
  appleWebApp: { title: "Bearer Tasks" },
  ...(process.env.OTEL_EXPORTER_OTLP_ENDPOINT && { other: { [TRACES_META]: "w3c" } }),
};

async function choice<Name extends ChoiceName>(name: Name) {
  return choiceOf(name, (await cookies()).get(name)?.value);
}

export async function generateViewport(): Promise<Viewport> {
  return { themeColor: barColors(await choice("theme")) };
}

export default async function RootLayout({ children }: { children: ReactNode }) {
  // Read for each request: a page made at build time cannot carry the nonce of the request's
  // Content-Security-Policy, nor the person's choices.
  return (
    <html
      className={`${sans.variable} ${sansExtended.variable} ${sansVietnamese.variable}`}
      data-density={await choice("density")}
      data-sidebar={await choice("sidebar")}
      data-theme={await choice("theme")}
      lang="en"
    >
      <body>
        <InputMethod />
        {children}
      </body>
    </html>
  );
}
