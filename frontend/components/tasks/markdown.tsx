import { createElement } from "react";
import ReactMarkdown, { type Components, type ExtraProps } from "react-markdown";

const NAMES = ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote"] as const;

/** Each block has the text direction of its content. */
const BLOCKS: Components = Object.fromEntries(
  NAMES.map((name) => [
    name,
    ({ node: _, ...props }: ExtraProps) => createElement(name, { ...props, dir: "auto" }),
  ]),
);

/**
 * Renders Markdown. HTML stays text, links other than web and mail addresses do nothing, and
 * images, which would send a request to another server, are not shown.
 */
export default function Markdown({ text }: { text: string }) {
  return (
    <ReactMarkdown
      components={{
        ...BLOCKS,
        a: ({ href, children }) => (
          <a className="link" href={href} rel="noopener noreferrer nofollow" target="_blank">
            {children}
          </a>
        ),
      }}
      disallowedElements={["img"]}
    >
      {text}
    </ReactMarkdown>
  );
}
