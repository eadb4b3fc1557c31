import { useEffect, useEffectEvent } from "react";

/**
 * Run `onLeave` when the page is left or hidden: after that it may be closed without another event,
 * on mobile browsers in particular.
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
