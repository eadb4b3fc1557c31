import { expect, test } from "vitest";
import { limiter } from "../lib/log";

function written() {
  let now = 0;
  const lines: string[] = [];
  const write = limiter(() => now)((...said) => lines.push(said.join(" ")));
  const pass = (ms: number) => {
    now += ms;
  };
  return { lines, write, pass };
}

test("one line of a kind per second is written, with the number of those left out", () => {
  const { lines, write, pass } = written();
  for (let n = 0; n < 60; n += 1) write(`Invalid origin: https://${n}.example`);
  write("User not found", { email: "ada@example.com" });
  pass(1000);
  write("Invalid origin: https://evil.example");
  pass(1000);
  write("Invalid origin: https://evil.example");
  expect(lines).toEqual([
    "Invalid origin: https://0.example",
    "User not found [object Object]",
    "Invalid origin: https://evil.example (and 59 like it before)",
    "Invalid origin: https://evil.example",
  ]);
});

test("the kind of an error is its message without what it quotes", () => {
  const { lines, write } = written();
  for (const id of ["a", "b"]) write(new Error(`Failed to find Server Action "${id}".`));
  write(new Error("connection terminated"));
  expect(lines).toHaveLength(2);
});

test("lines that are all of new kinds do not fill the log", () => {
  const { lines, write, pass } = written();
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];
  const words = letters.flatMap((one) => letters.map((other) => `${one}${other}`));
  for (const word of words) write(word);
  expect(lines.length).toBeLessThan(60);
  pass(1000);
  write("the database is away");
  expect(lines.at(-1)).toContain("the database is away");
});

test("the kind of a long line is found quickly", () => {
  const { lines, write } = written();
  const began = performance.now();
  write(`Invalid callbackURL: https://a.example ${"x".repeat(65_536)}`);
  expect(performance.now() - began).toBeLessThan(1000);
  expect(lines).toHaveLength(1);
});
