const LEVELS = ["log", "info", "warn", "error"] as const;
type Write = (...args: unknown[]) => void;

const SECOND_MS = 1000;
/** The number of kinds that are counted separately within a second. Others share one limit. */
const MAX_KINDS = 50;
const MAX_KIND_LENGTH = 80;
/** The characters of a line that are read. A pattern below takes quadratic time. */
const MAX_READ = 1000;

/**
 * Return the kind of a line: its words up to a quotation mark or a bracket, without names,
 * addresses and numbers. Lines of one kind differ only in the data of a request.
 */
function kindOf(parts: readonly unknown[]): string {
  const words = parts.map((part) =>
    part instanceof Error ? `${part.name} ${part.message}` : part,
  );
  const [line = ""] = words.join(" ").trimStart().split("\n");
  return line
    .slice(0, MAX_READ)
    .replace(/["'`([{].*/, "")
    .replace(/\S*[\d@/\\]\S*/g, "")
    .slice(0, MAX_KIND_LENGTH);
}

/**
 * Return a function that counts a line. It returns how many lines of the kind were left out before,
 * or null if this line is left out.
 */
function counter(clock: () => number) {
  const kinds = new Map<string, { since: number; leftOut: number }>();

  function known(own: string, now: number): string {
    if (kinds.has(own) || kinds.size < MAX_KINDS) return own;
    for (const [kind, { since }] of kinds) if (now >= since + SECOND_MS) kinds.delete(kind);
    return kinds.size < MAX_KINDS ? own : "others";
  }

  return (own: string): number | null => {
    const now = clock();
    const kind = known(own, now);
    const last = kinds.get(kind);
    if (last && now < last.since + SECOND_MS) {
      last.leftOut += 1;
      return null;
    }
    kinds.set(kind, { since: now, leftOut: 0 });
    return last?.leftOut ?? 0;
  };
}

/**
 * Limit a log function to one line of each kind per second. The next line says how many were left
 * out. A line may be an error with its stack.
 */
export function limiter(clock: () => number = Date.now): (write: Write) => Write {
  const count = counter(clock);
  return (write) =>
    (...args) => {
      const leftOut = count(kindOf(args));
      if (leftOut === null) return;
      if (leftOut > 0) write(...args, `(and ${leftOut} like it before)`);
      else write(...args);
    };
}

/**
 * Limit the console of this process, so that no stranger can fill the log, whether this app, Better
 * Auth or Next writes the lines.
 */
export function limitConsole(): void {
  const limited = limiter();
  for (const level of LEVELS) console[level] = limited(console[level].bind(console));
}
