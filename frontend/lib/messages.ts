/** Shown when the server did not answer. */
export const NO_ANSWER = "No answer from the server. Check your connection and try again.";

/** Shown for an error in this app, or when the browser lacks something. */
export const APP_ERROR =
  "Something went wrong in this app. Reload the page, or try another browser.";
