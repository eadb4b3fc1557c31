/*
 * The browser's history, with an entry for each open modal dialog. So Back closes the dialog, as
 * people expect on a phone, and the page stays.
 *
 * A dialog that is closed in another way leaves its entry in the history, because going back at
 * once would race with the page that the dialog opened. The next dialog or view reuses the entry,
 * and Back skips it.
 */

type Close = () => void;

/** The functions that close the open dialogs, the topmost last. */
const open: Close[] = [];

/** Return how many dialogs were open when the current entry was made. */
const currentDepth = (): number => Number(window.history.state?.dialogs ?? 0);

let depth = 0;

function onPopState() {
  const before = depth;
  depth = currentDepth();
  if (depth >= before) return; // Forward, or from one view to another.
  if (open.length > depth) for (const close of open.slice(depth).reverse()) close();
  else window.history.back(); // The dialog of that entry is closed already.
}

if (typeof window !== "undefined") {
  depth = currentDepth();
  window.addEventListener("popstate", onPopState);
}

/** Make Back call `close`, until the returned function says that the dialog is closed. */
export function closeOnBack(close: Close): Close {
  open.push(close);
  depth = currentDepth();
  if (depth < open.length) {
    depth = open.length;
    window.history.pushState({ ...window.history.state, dialogs: depth }, "");
  }
  return () => void open.splice(open.indexOf(close), 1);
}

/**
 * Change the address for a dialog that is about to open, with a new history entry. Back closes the
 * dialog and returns to the current address.
 */
export function goToDialog(path: string): void {
  const dialogs = open.length + 1;
  // Reuse the entry of a dialog that is already closed.
  if (currentDepth() >= dialogs) window.history.replaceState({ dialogs }, "", path);
  else window.history.pushState({ dialogs }, "", path);
  depth = dialogs;
}

/**
 * Change the address without a request to the server.
 *
 * @param isStep whether Back returns to the current address.
 */
export function goTo(path: string, isStep: boolean): void {
  if (!isStep) window.history.replaceState({ dialogs: currentDepth() }, "", path);
  else if (currentDepth() > 0) window.history.replaceState(null, "", path);
  else window.history.pushState(null, "", path);
  depth = currentDepth();
}
