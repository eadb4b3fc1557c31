/*
 * The browser's history, with one entry for all open dialogs. So Back closes the topmost dialog, as
 * people expect on a phone, and the page stays.
 *
 * A dialog that is closed in another way leaves the entry in the history, because going back at
 * once would race with the page that the dialog opened. The next dialog or view reuses the entry,
 * and Back skips it.
 */

type Close = () => void;

/** The functions that close the open dialogs, the topmost last. */
const open: Close[] = [];

/** Whether the current entry is that of the dialogs. */
const isDialogEntry = (): boolean => Boolean(window.history.state?.dialogs);

let wasDialogEntry = false;

function onPopState() {
  const isBack = wasDialogEntry && !isDialogEntry();
  wasDialogEntry = isDialogEntry();
  if (!isBack) return; // Forward, or from one view to another.
  const close = open.at(-1);
  if (!close) return window.history.back(); // The dialogs of that entry are closed already.
  // The other dialogs stay open, and keep the entry.
  if (open.length > 1) window.history.forward();
  close();
}

if (typeof window !== "undefined") {
  wasDialogEntry = isDialogEntry();
  window.addEventListener("popstate", onPopState);
}

/** Make Back call `close`, until the returned function says that the dialog is closed. */
export function closeOnBack(close: Close): Close {
  open.push(close);
  if (!isDialogEntry()) {
    window.history.pushState({ ...window.history.state, dialogs: true }, "");
  }
  wasDialogEntry = true;
  return () => void open.splice(open.indexOf(close), 1);
}

/**
 * Change the address for a dialog that is about to open. Add a history entry, unless the current
 * entry already belongs to the dialogs. Back closes the dialog and returns to the address before
 * it.
 */
export function goToDialog(path: string): void {
  if (isDialogEntry()) window.history.replaceState({ dialogs: true }, "", path);
  else window.history.pushState({ dialogs: true }, "", path);
  wasDialogEntry = true;
}

/**
 * Change the address without a request to the server.
 *
 * @param isStep whether Back returns to the current address.
 */
export function goTo(path: string, isStep: boolean): void {
  if (!isStep) window.history.replaceState(window.history.state, "", path);
  else if (isDialogEntry()) window.history.replaceState(null, "", path);
  else window.history.pushState(null, "", path);
  wasDialogEntry = isDialogEntry();
}
