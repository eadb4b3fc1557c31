import { expect, test, vi } from "vitest";
import { LastingProblem } from "../lib/lasting-problem";

const MINUTE_MS = 60_000;

test("a problem is logged when it begins, every ten minutes, and when it ends", () => {
  const lines: string[] = [];
  for (const level of ["warn", "info"] as const)
    vi.spyOn(console, level).mockImplementation((line) => lines.push(`${level}: ${line}`));
  let now = 5 * MINUTE_MS;
  const problem = new LastingProblem("the API is away", "the API is back", () => now);
  problem.ends();
  for (let second = 0; second < 25 * 60; second += 1) {
    problem.lasts(`reason ${second}`);
    now += 1000;
  }
  problem.ends();
  problem.ends();
  problem.lasts("another reason");
  expect(lines).toEqual([
    "warn: the API is away (reason 0)",
    "warn: the API is away for 600 s now (reason 600)",
    "warn: the API is away for 1200 s now (reason 1200)",
    "info: the API is back, after 1500 s",
    "warn: the API is away (another reason)",
  ]);
});
