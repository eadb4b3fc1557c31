import { useEffect, useEffectEvent } from "react";

/**
 * Runs `onLeave` when the page is left or hidden: afterwards it may be closed at any moment, and
 * mobile browsers say nothing more of it then.
 */
export function usePageLeave(onLeave: () => void): void {
  const leave = useEffectEvent(onLeave);

  useEffect(() => {
    const onPageHide = () => leave();
    const onVisibility = () => {
      if (document.visibilityState === "hidden") leave();
    };
    window.addEventListener("pagehide", onPageHide);
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      window.removeEventListener("pagehide", onPageHide);
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, []);
}
