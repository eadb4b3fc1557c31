import { globSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { PAGES, pageOrRouteOf } from "../lib/metric-routes";

test("every page of the app is counted by its own name", () => {
  const files = globSync("**/page.tsx", { cwd: `${import.meta.dirname}/../app` });
  const paths = files.map((file) => `/${dirname(file)}`.replace(/^\/\.$/, "/"));
  expect(paths.sort()).toEqual([...PAGES].sort());
});

test("a path that a stranger chose, or that contains a token, is not a label", () => {
  const routes = new Set(["/sign-in/email", "/reset-password/:token"]);
  const labelOf = (url: string) => pageOrRouteOf(url, routes);
  expect(labelOf("/tasks?view=secret")).toBe("/tasks");
  expect(labelOf("/api/auth/sign-in/email")).toBe("/api/auth/sign-in/email");
  expect(labelOf("/api/auth/reset-password/s3cret?x")).toBe("/api/auth/reset-password/:token");
  expect(labelOf("/_next/static/chunks/a.js")).toBe("/_next/static");
  for (const url of ["/wp-login.php", "/api/auth/none", "/tasks/s3cret", "", "*"]) {
    expect(labelOf(url)).toBe("other");
  }
});
