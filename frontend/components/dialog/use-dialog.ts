import { type RefObject, useEffectEvent, useLayoutEffect, useState } from "react";
import { closeOnBack } from "@/lib/history";

/**
 * Open a `<dialog>` while the component is mounted. Escape and Back close it. In a modal one, the
 * element marked `data-autofocus` gets the focus, or else the first one that can.
 *
 * @param beside a media query. If it matches, the dialog is not modal and the page stays usable.
 * @returns whether the dialog is modal.
 */
export function useDialog(
  dialog: RefObject<HTMLDialogElement | null>,
  onClose: () => void,
  beside?: string,
): boolean {
  const [isModal] = useState(() => !(beside && window.matchMedia(beside).matches));
  const close = useEffectEvent(onClose);

  // The cleanup of a layout effect runs while the dialog is still in the page, so that the browser
  // returns the focus.
  useLayoutEffect(() => {
    const element = dialog.current;
    const onCancel = (event: Event) => {
      // A file input in the dialog sends this event, too, when the person chooses no file.
      if (event.target !== element) return;
      event.preventDefault();
      close();
    };
    element?.addEventListener("cancel", onCancel);
    if (isModal) {
      element?.showModal();
      // React's `autoFocus` runs too early: elements of a closed dialog cannot have the focus.
      const first = element?.querySelector<HTMLElement>("[data-autofocus]");
      if (first) first.focus();
      // The browser has scrolled to the element that it focused, which may hide the title.
      else element?.scrollTo(0, 0);
    } else element?.show();
    const forget = closeOnBack(() => close());
    return () => {
      forget();
      element?.removeEventListener("cancel", onCancel);
      if (isModal) element?.close();
    };
  }, [dialog, isModal]);

  return isModal;
}
