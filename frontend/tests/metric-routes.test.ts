import { globSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { ROUTES, routing } from "../lib/metric-routes";

const APP = `${import.meta.dirname}/../app`;

test("every page and endpoint of the app is counted as a route of its own", () => {
  const files = globSync("**/{page.tsx,route.ts}", { cwd: APP }).map((file) => `/${dirname(file)}`);
  const folders = files.map((path) => (path === "/." ? "/" : path));
  expect(folders.filter((path) => !path.includes("[")).sort()).toEqual([...ROUTES].sort());
});

test("a path that a stranger chose, or that contains a token, is not a route", () => {
  const routeOf = routing(["/sign-in/email", "/reset-password/:token", "/callback/:id"]);
  expect(routeOf("/tasks?view=secret")).toBe("/tasks");
  expect(routeOf("/api/auth/sign-in/email")).toBe("/api/auth/sign-in/email");
  expect(routeOf("/api/auth/reset-password/s3cret?x")).toBe("/api/auth/reset-password/:parameter");
  expect(routeOf("/_next/static/chunks/a.js")).toBe("/_next/static");
  for (const url of ["/wp-login.php", "/api/auth/none", "/tasks/s3cret", "", "*"]) {
    expect(routeOf(url)).toBe("other");
  }
});
