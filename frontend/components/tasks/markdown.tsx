import ReactMarkdown from "react-markdown";

/**
 * Markdown as elements: HTML in it stays text, an address that is no web or mail address leads
 * nowhere, and a picture, which would ask another server, is not shown.
 */
export default function Markdown({ text }: { text: string }) {
  return (
    <ReactMarkdown
      components={{
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
