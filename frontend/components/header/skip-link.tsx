"use client";

/** Lets keyboard users skip the header and the navigation. */
export function SkipLink() {
  return (
    // biome-ignore lint/a11y/useValidAnchor: a link before there is script, and without a step in the history after
    <a
      className="skip-link"
      href="#content"
      onClick={(event) => {
        event.preventDefault();
        document.getElementById("content")?.focus({ preventScroll: true });
      }}
    >
      Skip to the content
    </a>
  );
}
