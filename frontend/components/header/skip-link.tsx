"use client";

/** Lets keyboard users skip the header and the navigation. */
export function SkipLink() {
  return (
    // biome-ignore lint/a11y/useValidAnchor: it works as a link before scripts run, and later adds no history entry
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
