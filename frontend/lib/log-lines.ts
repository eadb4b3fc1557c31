import { format, stripVTControlCharacters } from "node:util";
import pino, { type Logger } from "pino";
import type { LogFormat } from "./config";
import { currentRequestId } from "./request-id";

const LEVELS = { log: "info", info: "info", warn: "warn", error: "error" } as const;
type Method = keyof typeof LEVELS;

/** The parts of a line that may be secret, and their replacements. */
const HIDDEN: readonly (readonly [RegExp, string])[] = [
  [/[^\s"'`<>(){}[\],;=]{1,64}@[^\s"'`<>(){}[\],;]{1,255}/g, "[e-mail]"],
  // A header of any length would take quadratic time.
  [/\beyJ[\w-]{0,1000}\.[\w-]+(\.[\w-]*)?/g, "[token]"],
  [/(https?:\/\/[^\s"'`/?#]+)[/?#][^\s"'`)]*/g, "$1/[path]"],
  [/\?[^\s"'`)]+/g, "?[query]"],
];

/** Return a text without e-mail addresses, tokens, query strings and the paths of URLs. */
export function hidden(text: string): string {
  return HIDDEN.reduce((rest, [pattern, mark]) => rest.replace(pattern, mark), text);
}

/**
 * Return a log line of Better Auth without the texts that it quotes from a request. Such a text may
 * be an e-mail address or a forged line. Only the origin of a URL stays.
 */
export function withoutQuotes(line: string): string {
  const quoted = /^(Invalid \w+)(?:(: https?:\/\/[\w.:[\]-]{1,255})(?![^\s/?#])|: ).*/s;
  return line.replace(quoted, "$1$2");
}

/** Return a logger of lines in JSON, with the same members as the lines of the API. */
export function jsonLogger(
  name: string,
  destination = pino.destination({ fd: 1, sync: true }),
): Logger {
  return pino(
    {
      base: { logger: name },
      messageKey: "message",
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (level) => ({ level: level === "warn" ? "warning" : level }) },
      mixin: () => {
        const id = currentRequestId();
        return id === undefined ? {} : { request_id: id };
      },
    },
    destination,
  );
}

/** Return the places in a stack, without the message, which may quote a value. */
export function framesOf(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .join("\n");
}

/** Return the names and the places of an error and its causes. A message may quote a value. */
function placesOf(error: Error): string {
  const own = `${error.name}\n${framesOf(error.stack ?? "")}`;
  return error.cause instanceof Error ? `${own}\n${placesOf(error.cause)}` : own;
}

function jsonLine(parts: readonly unknown[]): [Record<string, string>, string] {
  const errors = parts.filter((part) => part instanceof Error);
  const said = parts.filter((part) => !(part instanceof Error));
  const message = said.length > 0 ? format(...said) : (errors[0]?.name ?? "");
  return [
    errors.length > 0 ? { exception: errors.map(placesOf).join("\n") } : {},
    hidden(stripVTControlCharacters(message)),
  ];
}

/** Write the console's lines in this format, without e-mail addresses, tokens and queries. */
export function formatConsole(form: LogFormat, logger?: Logger): void {
  const json = form === "json" ? (logger ?? jsonLogger("web")) : undefined;
  for (const method of Object.keys(LEVELS) as Method[]) {
    const write = console[method].bind(console);
    console[method] = (...parts) => {
      if (json === undefined) return write(hidden(format(...parts)));
      const [members, message] = jsonLine(parts);
      if (message.trim() !== "") json[LEVELS[method]](members, message.trim());
    };
  }
}
