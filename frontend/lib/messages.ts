/** The server did not answer. */
export const NO_ANSWER = "No answer from the server. Check your connection and try again.";

/** An error in this app, or a browser that lacks something. */
export const APP_ERROR =
  "Something went wrong in this app. Reload the page, or try another browser.";
