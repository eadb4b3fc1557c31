import type { NextConfig } from "next";

/** Next's development server answers pages of other hosts with 403 but for these: read at its start. */
function developmentHosts(): string[] {
  const url = URL.parse(process.env.NEXT_PUBLIC_BETTER_AUTH_URL ?? "");
  return url ? [url.hostname] : [];
}

export default {
  allowedDevOrigins: developmentHosts(),
  output: "standalone",
  poweredByHeader: false,
  reactStrictMode: true,
  // No page uses the optimizer: nobody else shall either.
  images: { unoptimized: true },
  // What a form of ours sends is some hundred bytes. Of a longer body no more than this is kept, and
  // Better Auth, which would store a name of megabytes, finds no JSON in it.
  experimental: {
    proxyClientMaxBodySize: 65_536,
    // What is cached stays in memory: the build may belong to another user, or be read-only.
    isrFlushToDisk: false,
  },
  // The repository has no package.json above this folder; without this Next looks for one.
  turbopack: { root: import.meta.dirname },
  headers: async () => [
    {
      source: "/:path*",
      headers: [
        { key: "X-Content-Type-Options", value: "nosniff" },
        { key: "Referrer-Policy", value: "same-origin" },
      ],
    },
    // Their addresses hold a token until their script has run.
    ...["/reset-password", "/confirm-email"].map((source) => ({
      source,
      headers: [{ key: "Referrer-Policy", value: "no-referrer" }],
    })),
  ],
} satisfies NextConfig;
