/** The pages and endpoints of the web app, besides those of Better Auth. */
export const ROUTES: readonly string[] = [
  "/",
  "/account",
  "/api/health",
  "/confirm-email",
  "/forgot-password",
  "/graphiql",
  "/offline",
  "/reset-password",
  "/sign-in",
  "/sign-up",
  "/tasks",
];

const AUTH = "/api/auth";

/**
 * Return a function that returns the route of a URL: one of a fixed set, because a stranger chooses
 * the URL, and because a path may contain a token.
 *
 * @param authPaths the paths of Better Auth's endpoints, which may have parameters such as `:token`.
 */
export function routing(authPaths: readonly string[]): (url: string) => string {
  const fixed = new Set(ROUTES);
  const parents: string[] = [];
  for (const path of authPaths) {
    const [parent = path] = path.split("/:");
    if (parent === path) fixed.add(AUTH + path);
    else parents.push(`${AUTH}${parent}/`);
  }
  return (url) => {
    const [path = ""] = url.split("?");
    if (fixed.has(path)) return path;
    if (path.startsWith("/_next/static/")) return "/_next/static";
    const parent = parents.find((one) => path.startsWith(one));
    return parent ? `${parent}:parameter` : "other";
  };
}
