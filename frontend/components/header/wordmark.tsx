import Link from "next/link";

export const WORDMARK = "inline-flex items-center gap-2.5 rounded-md font-semibold tracking-tight";

/** The name of the app, as a link to the home page. */
export function Wordmark() {
  return (
    <Link className={WORDMARK} href="/">
      <Name />
    </Link>
  );
}

export function Name() {
  return (
    <>
      <svg aria-hidden="true" className="size-7 shrink-0" viewBox="0 0 32 32">
        <rect className="fill-accent" height="32" rx="9" width="32" />
        <path
          className="fill-none stroke-on-accent"
          d="M9 16.5l5 5 9-11"
          strokeLinecap="round"
          strokeLinejoin="round"
          strokeWidth="3.2"
        />
      </svg>
      <span className="whitespace-nowrap">Bearer Tasks</span>
    </>
  );
}
