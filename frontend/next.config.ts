import type { NextConfig } from "next";

/** Return the hosts, besides localhost, for which Next's development server serves pages. */
function developmentHosts(): string[] {
  const url = URL.parse(process.env.NEXT_PUBLIC_BETTER_AUTH_URL ?? "");
  return url ? [url.hostname] : [];
}

export default {
  allowedDevOrigins: developmentHosts(),
  output: "standalone",
  poweredByHeader: false,
  reactStrictMode: true,
  // No page uses the image optimizer, so the server does not need its library of 19 MB.
  images: { unoptimized: true },
  outputFileTracingExcludes: {
    "next-server": ["**/node_modules/sharp/**/*", "**/node_modules/@img/**/*"],
  },
  // Our forms send some hundred bytes. Longer bodies are cut off, so that Better Auth rejects them
  // as invalid JSON instead of storing a name of megabytes.
  experimental: {
    proxyClientMaxBodySize: 65_536,
    // Keep the cache in memory: the build may belong to another user or be read-only.
    isrFlushToDisk: false,
  },
  // Node loads these packages. So `next dev` compiles the first sign-up some seconds faster.
  serverExternalPackages: ["better-auth", "chrono-node", "jose", "nodemailer", "zod"],
  // `make check` has checked the types. To check them again would take a fifth of a build.
  typescript: { ignoreBuildErrors: process.env.TYPES_ARE_CHECKED === "1" },
  // Without this, Next looks for a package.json in parent folders.
  turbopack: { root: import.meta.dirname },
  headers: async () => [
    {
      source: "/:path*",
      headers: [
        { key: "X-Content-Type-Options", value: "nosniff" },
        { key: "Referrer-Policy", value: "same-origin" },
      ],
    },
    // Their addresses contain a token until their script runs.
    ...["/reset-password", "/confirm-email"].map((source) => ({
      source,
      headers: [{ key: "Referrer-Policy", value: "no-referrer" }],
    })),
  ],
} satisfies NextConfig;
