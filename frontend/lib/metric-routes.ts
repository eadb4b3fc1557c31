import { routeOf } from "./access-log";

/** The pages of the web app. */
export const PAGES: readonly string[] = [
  "/",
  "/account",
  "/confirm-email",
  "/forgot-password",
  "/graphiql",
  "/offline",
  "/reset-password",
  "/sign-in",
  "/sign-up",
  "/tasks",
];

/**
 * Return the route or the page of a URL: one of a fixed set, because a stranger chooses the URL,
 * and because a path may contain a token. `authRoutes` are those of Better Auth.
 */
export function pageOrRouteOf(url: string, authRoutes: ReadonlySet<string>): string {
  const route = routeOf(url, authRoutes);
  if (route !== undefined) return route;
  const [path = ""] = url.split("?");
  if (PAGES.includes(path)) return path;
  return path.startsWith("/_next/static/") ? "/_next/static" : "other";
}
