import { useCallback, useLayoutEffect, useRef } from "react";

/**
 * Return a function that stays the same and calls the latest handler. So a component that gets the
 * function as a prop does not render again when the handler changes. Call the function only in
 * events: during rendering, it calls the handler of the previous render.
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
