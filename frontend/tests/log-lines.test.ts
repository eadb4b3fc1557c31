import { Writable } from "node:stream";
import { afterEach, expect, test, vi } from "vitest";
import { routeOf } from "../lib/access-log";
import { formatConsole, hidden, jsonLogger, withoutQuotes } from "../lib/log-lines";

afterEach(() => vi.restoreAllMocks());

function fail(): never {
  throw new TypeError("ada@example.com is no title", { cause: new RangeError("a title") });
}

function caught(): unknown {
  try {
    fail();
  } catch (error) {
    return error;
  }
}

/** Return what the console writes in JSON. */
function written(act: () => void): Record<string, unknown>[] {
  const lines: string[] = [];
  const output = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  for (const method of ["log", "info", "warn", "error"] as const) vi.spyOn(console, method);
  formatConsole("json", jsonLogger("web", output as never));
  act();
  return lines.map((line) => JSON.parse(line));
}

test("a line in JSON has the members that a line of the API has", () => {
  const [line] = written(() => console.warn("seen %d times", 2));
  expect(line).toEqual({
    level: "warning",
    time: expect.stringMatching(/Z$/),
    logger: "web",
    message: "seen 2 times",
  });
});

test("an error in JSON has its name, its cause and their places, and no message", () => {
  const [line] = written(() => console.error("failed:", caught()));
  expect(line).toMatchObject({ level: "error", message: "failed:" });
  expect(line?.exception).toMatch(/^TypeError\n {4}at fail .*/);
  expect(line?.exception).toContain("RangeError");
  expect(JSON.stringify(line)).not.toContain("title");
});

test("a line that is only an error has a message, and an empty line is not written", () => {
  const lines = written(() => {
    console.error(caught());
    console.log("");
  });
  expect(lines.map(({ message }) => message)).toEqual(["TypeError"]);
});

test("a line of text has no e-mail address", () => {
  const write = vi.spyOn(console, "error").mockImplementation(() => {});
  formatConsole("text");
  console.error("failed:", caught(), { email: "ada@example.com" });
  expect(write.mock.calls[0]?.[0]).toContain("TypeError: [e-mail] is no title");
  expect(write.mock.calls[0]?.[0]).not.toContain("ada");
});

test.each([
  ["User not found: ada+x@mail.example.com.", "User not found: [e-mail]"],
  ["{ email: 'ada@example.com' }", "{ email: '[e-mail]' }"],
  ["bad eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "bad [token]"],
  ["GET /tasks?search=title failed", "GET /tasks?[query] failed"],
  ["Invalid URL: https://a.example/secret/x?y=z#w", "Invalid URL: https://a.example/[path]"],
  ["What? The end.", "What? The end."],
])("%s is written as %s", (text, expected) => {
  expect(hidden(text)).toBe(expected);
});

test.each([
  ["Invalid origin: https://evil.example:80", "Invalid origin: https://evil.example:80"],
  ["Invalid origin: https://[::1]/path", "Invalid origin: https://[::1]"],
  [
    "Invalid callbackURL: https://a.example\nERROR: forged",
    "Invalid callbackURL: https://a.example",
  ],
  ["Invalid callbackURL: https://a.example\u001b[2J", "Invalid callbackURL"],
  ["Invalid callbackURL: https://ada@a.example", "Invalid callbackURL"],
  ["Invalid redirectURL: ada@example.com\n", "Invalid redirectURL"],
  ["Invalid id token", "Invalid id token"],
])("%j of Better Auth is written as %j", (line, expected) => {
  expect(withoutQuotes(line)).toBe(expected);
});

test.each(["x", "-eyJ", "https://a", "?"])("a text of many %s is searched quickly", (part) => {
  const began = performance.now();
  hidden(part.repeat(65_536 / part.length));
  expect(performance.now() - began).toBeLessThan(1000);
});

const ROUTES = new Set(["/sign-out", "/sign-in/email", "/reset-password/:token"]);

test.each([
  ["/api/auth/sign-out", "/api/auth/sign-out"],
  ["/api/auth/sign-in/email?next=secret", "/api/auth/sign-in/email"],
  ["/api/auth/reset-password/secret?callbackURL=/", "/api/auth/reset-password/:token"],
  ["/api/auth/secret", "other"],
  ["/api/secret", "other"],
  ["/api/health", "/api/health"],
  ["/tasks?search=secret", undefined],
])("%s has the route %s", (url, route) => {
  expect(routeOf(url, ROUTES)).toBe(route);
});
