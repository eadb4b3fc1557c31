import { beforeEach, expect, test, vi } from "vitest";
import { RetryTimer } from "../components/store/retry-timer";

const onElapsed = vi.fn();
let retry: RetryTimer;

beforeEach(() => {
  vi.useFakeTimers();
  onElapsed.mockClear();
  retry = new RetryTimer(onElapsed);
  return () => vi.useRealTimers();
});

test("the pauses double, and start short again after a success", () => {
  for (const pause of [1_000, 2_000, 4_000]) {
    retry.pause(null);
    vi.advanceTimersByTime(pause - 1);
    expect(retry.isPaused()).toBe(true);
    vi.advanceTimersByTime(1);
    expect(retry.isPaused()).toBe(false);
  }
  expect(onElapsed).toHaveBeenCalledTimes(3);
  retry.reset();
  retry.pause(null);
  vi.advanceTimersByTime(1_000);
  expect(onElapsed).toHaveBeenCalledTimes(4);
});

test("a second failure does not make our own pause longer", () => {
  retry.pause(null);
  vi.advanceTimersByTime(500);
  retry.pause(null);
  vi.advanceTimersByTime(500);
  expect(onElapsed).toHaveBeenCalledOnce();
});

test("only a pause that the server asked for holds edits back, and cannot be skipped", () => {
  retry.pause(null);
  expect([retry.isPaused(), retry.isPausedByServer()]).toEqual([true, false]);
  retry.skipOwnPause();
  expect(retry.isPaused()).toBe(false);
  retry.pause(30_000);
  retry.skipOwnPause();
  expect([retry.isPaused(), retry.isPausedByServer()]).toEqual([true, true]);
  retry.resume();
  expect([retry.isPaused(), retry.isPausedByServer()]).toEqual([false, false]);
  vi.advanceTimersByTime(60_000);
  expect(onElapsed).not.toHaveBeenCalled();
});
