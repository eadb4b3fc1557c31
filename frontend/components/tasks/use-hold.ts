import { useCallback, useEffect, useRef, useState } from "react";
import { monitorDrags } from "@/components/drag/monitor";

type Holds = {
  /** Whether rows keep their places. */
  isHeld: boolean;
  /** Keeps rows in their places until the returned function is called. */
  hold: () => () => void;
};

/** Keep rows in their places while one is dragged, and while `hold` asks for it. */
export function useHolds(): Holds {
  const [count, setCount] = useState(0);
  const hold = useCallback(() => {
    setCount((before) => before + 1);
    return () => setCount((before) => before - 1);
  }, []);

  useEffect(() => {
    let release = () => {};
    return monitorDrags({
      onDragStart: () => {
        release = hold();
      },
      onDrop: () => release(),
    });
  }, [hold]);

  return { isHeld: count > 0, hold };
}

/**
 * Return the latest rows. While rows are held, return the held rows in their previous order, with
 * their latest values.
 *
 * @param place identifies the list. When another list is shown, its rows are not held.
 * @param refreshed returns these rows, in the same order, with their latest values.
 */
export function useHeld<T>(
  latest: T,
  isHeld: boolean,
  place: unknown,
  refreshed: (before: T) => T,
): T {
  const before = useRef({ place, rows: latest });
  const canHold = isHeld && before.current.place === place;
  const rows = canHold ? refreshed(before.current.rows) : latest;
  useEffect(() => {
    before.current = { place, rows };
  });
  return rows;
}
