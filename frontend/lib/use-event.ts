import { useCallback, useLayoutEffect, useRef } from "react";

/**
 * Return a function that stays the same and calls the latest handler. So a component that gets it as a
 * prop is not rendered again when values that the handler reads have changed. It is for events: during
 * rendering, it would call the handler of the render before.
 */
export function useEvent<Args extends unknown[], Result>(
  handler: (...args: Args) => Result,
): (...args: Args) => Result {
  const latest = useRef(handler);
  useLayoutEffect(() => {
    latest.current = handler;
  });
  return useCallback((...args) => latest.current(...args), []);
}
