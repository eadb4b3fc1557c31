import { type RefObject, useEffectEvent, useLayoutEffect, useState } from "react";
import { closeOnBack } from "@/lib/history";

/**
 * Open a `<dialog>` for as long as the component is there. While it is modal, Back closes it. The
 * element marked `data-autofocus` has the focus first; without one it is the first that can have it.
 *
 * @param beside a media query: where it matches, the dialog is not modal, and the page stays in use.
 * @returns whether the dialog is modal.
 */
export function useDialog(
  dialog: RefObject<HTMLDialogElement | null>,
  onClose: () => void,
  beside?: string,
): boolean {
  const [isModal] = useState(() => !(beside && window.matchMedia(beside).matches));
  const close = useEffectEvent(onClose);

  // A layout effect ends while the dialog is still in the page, so that the browser gives the focus back.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!isModal) {
      element?.show();
      return;
    }
    element?.showModal();
    // React's `autoFocus` comes before the dialog is open, when nothing in it can have the focus.
    element?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    const forget = closeOnBack(() => close());
    return () => {
      forget();
      element?.close();
    };
  }, [dialog, isModal]);

  return isModal;
}
