import { type NextRequest, NextResponse } from "next/server";
import { config as readConfig } from "./lib/config";
import { socketOrigin } from "./lib/socket-origin";

const isDevelopment = process.env.NODE_ENV === "development";

function contentSecurityPolicy(path: string, nonce: string, apiUrl: string): string {
  const isGraphiql = path === "/graphiql";
  // React's development build evaluates strings to rebuild server stacks. Production pages must
  // not.
  const scripts = ["'self'", `'nonce-${nonce}'`, "'strict-dynamic'"];
  if (isDevelopment) scripts.push("'unsafe-eval'");
  // Monaco, GraphiQL's editor, and Next's development tools add <style> elements without a nonce.
  const styles = ["'self'", isDevelopment || isGraphiql ? "'unsafe-inline'" : `'nonce-${nonce}'`];
  // GraphiQL's style sheet has its fonts and icons inline.
  const inlined = isGraphiql ? ["'self'", "data:"] : ["'self'"];
  const directives: Record<string, string[]> = {
    "default-src": ["'self'"],
    "script-src": scripts,
    "style-src": styles,
    "img-src": inlined,
    "font-src": inlined,
    "connect-src": ["'self'", apiUrl, socketOrigin(apiUrl)],
    "worker-src": ["'self'"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
    "form-action": ["'self'"],
  };
  return Object.entries(directives)
    .map(([name, sources]) => `${name} ${sources.join(" ")}`)
    .join("; ");
}

export function proxy(request: NextRequest): NextResponse {
  const { apiUrl, baseUrl } = readConfig();
  const nonce = crypto.randomUUID();
  const policy = contentSecurityPolicy(request.nextUrl.pathname, nonce, apiUrl);

  // Next reads the nonce for its own scripts from the request's policy.
  const headers = new Headers(request.headers);
  headers.set("Content-Security-Policy", policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("Content-Security-Policy", policy);
  if (baseUrl.startsWith("https:")) {
    response.headers.set("Strict-Transport-Security", "max-age=31536000");
  }
  return response;
}

export const config = {
  matcher: "/((?!_next/static|icon|apple-icon|manifest.webmanifest).*)",
};
