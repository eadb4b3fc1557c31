import { describe, expect, test } from "vitest";
import { leavesApp, nextPath, signInPath } from "../lib/next-path";

describe("the path after sign-in", () => {
  test.each(["/tasks", "/tasks?view=trash", "/graphiql", "/tasks?q=a%20b#top"])(
    "%s is a path of this app",
    (path) => expect(nextPath(path)).toBe(path),
  );

  test.each([
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/.//evil.example",
    "/x/..//evil.example",
    "javascript:alert(1)",
    " /tasks",
    "tasks",
    "",
  ])("is the task list if %j leaves the app or is not a path", (value) => {
    expect(nextPath(value)).toBe("/tasks");
  });

  test.each([undefined, null, ["/graphiql", "/tasks"], 1])(
    "is the task list if %j is not a path",
    (value) => {
      expect(nextPath(value)).toBe("/tasks");
    },
  );

  test.each(["/sign-in", "/sign-in?next=/graphiql", "/sign-up", "/api/auth/token", "/x/../api"])(
    "%s would lead nowhere: the list",
    (path) => expect(nextPath(path)).toBe("/tasks"),
  );

  test("is one parameter, whatever it contains", () => {
    const path = signInPath("/tasks?view=trash&x=1");
    expect(new URL(path, "http://localhost").searchParams.get("next")).toBe(
      "/tasks?view=trash&x=1",
    );
  });
});

test.each([
  "//evil.example",
  "/.//evil.example",
  "/x/..//evil.example",
  "/\\\\evil.example",
  "/\t/x",
])("%j leaves the app", (value) => expect(leavesApp(value)).toBe(true));

test.each(["/tasks", "/x//y", "https://evil.example/", "", undefined, ["//evil.example"]])(
  "%j is none, or not for this to judge",
  (value) => expect(leavesApp(value)).toBe(false),
);
