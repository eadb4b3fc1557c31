import type { ReactNode } from "react";

/** The lines of each picture, 120 wide and 80 high. `.accent` has the accent color. */
const PICTURES = {
  all: (
    <>
      <path d="M28 30 38 14h44l10 16v28a6 6 0 0 1-6 6H34a6 6 0 0 1-6-6z" />
      <path d="M28 36h18l5 9h18l5-9h18" />
      <path className="accent" d="m52 24 6 6 11-12" />
    </>
  ),
  today: (
    <>
      <path d="M18 62h84M34 70h52" />
      <path className="accent" d="M40 62a20 20 0 0 1 40 0" />
      <path className="accent" d="M60 32v-8M36 42l-6-6M84 42l6-6M28 56h-8M92 56h8" />
    </>
  ),
  upcoming: (
    <>
      <rect height="50" rx="7" width="60" x="30" y="16" />
      <path d="M30 30h60M44 10v12M76 10v12" />
      <path d="M42 42h6M57 42h6M72 42h6M42 54h6" />
      <path className="accent" d="M57 54h20m-6-6 6 6-6 6" />
    </>
  ),
  completed: (
    <>
      <path d="M40 64V16M40 18c12-7 26 7 42 0v26c-16 7-30-7-42 0" />
      <path className="accent" d="m54 30 6 6 10-11" />
      <path d="M30 66h20" />
    </>
  ),
  trash: (
    <>
      <path d="m40 26 5 38a5 5 0 0 0 5 4h20a5 5 0 0 0 5-4l5-38M34 26h52" />
      <path d="M52 26v-6a4 4 0 0 1 4-4h8a4 4 0 0 1 4 4v6" />
      <path className="accent" d="M54 40c6-4 10 4 14 0M54 52c6-4 10 4 14 0" />
    </>
  ),
  search: (
    <>
      <circle cx="54" cy="36" r="20" />
      <path d="m69 51 17 17" />
      <path className="accent" d="M46 36h16" />
    </>
  ),
  label: (
    <>
      <path d="M36 20h26l26 26a5 5 0 0 1 0 7L74 67a5 5 0 0 1-7 0L36 42z" />
      <circle className="accent" cx="49" cy="33" r="4" />
    </>
  ),
  project: (
    <>
      <path d="M28 62V22a5 5 0 0 1 5-5h16l7 8h31a5 5 0 0 1 5 5v32a5 5 0 0 1-5 5H33a5 5 0 0 1-5-5z" />
      <path className="accent" d="M60 38v16M52 46h16" />
    </>
  ),
  welcome: (
    <>
      <path d="M22 44 98 14 78 68 56 52z" />
      <path d="M98 14 56 52v16l10-9" />
      <path className="accent" d="M14 58h18M22 68h22" />
    </>
  ),
  done: (
    <>
      <path d="M18 66h84" />
      <g className="rising">
        <path className="accent filled" d="M38 66a22 22 0 0 1 44 0z" />
        <path className="accent" d="M60 34V24M35 45l-7-7M85 45l7-7M27 60H17M93 60h10" />
      </g>
      <g className="sparks">
        <path d="M32 20v6M29 23h6M88 14v6M85 17h6M104 30v4M102 32h4M16 34v4M14 36h4M62 8v6M59 11h6" />
      </g>
    </>
  ),
} satisfies Record<string, ReactNode>;

export type PictureName = keyof typeof PICTURES;

export function Picture({ name }: { name: PictureName }) {
  return (
    <svg aria-hidden="true" className="picture" viewBox="0 0 120 80">
      {PICTURES[name]}
    </svg>
  );
}
