const LEVELS = ["log", "info", "warn", "error"] as const;
type Write = (...said: unknown[]) => void;

const SECOND_MS = 1000;
/** Kinds of lines that are told apart within a second; any others share one limit. */
const MAX_KINDS = 50;
const MAX_KIND_LENGTH = 80;

/**
 * What a line has in common with others that differ in what was asked for: its words up to a quotation
 * mark or a bracket, without names, addresses and numbers.
 */
function kindOf(parts: readonly unknown[]): string {
  const words = parts.map((part) =>
    part instanceof Error ? `${part.name} ${part.message}` : part,
  );
  const [line = ""] = words.join(" ").trimStart().split("\n");
  return line
    .replace(/["'`([{].*/, "")
    .replace(/\S*[\d@/\\]\S*/g, "")
    .slice(0, MAX_KIND_LENGTH);
}

/** Says of each line how many of its kind were left out before it; null when it is left out itself. */
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
 * Limits what is written to one line of a kind in a second; the next one says how many were left out.
 * A line may be an error with its stack.
 */
export function limiter(clock: () => number = Date.now): (write: Write) => Write {
  const count = counter(clock);
  return (write) =>
    (...said) => {
      const leftOut = count(kindOf(said));
      if (leftOut === null) return;
      if (leftOut > 0) write(...said, `(and ${leftOut} like it before)`);
      else write(...said);
    };
}

/**
 * Limits the console of this process: what any stranger can cause must not fill a log, whether this
 * app, Better Auth or Next writes it.
 */
export function limitConsole(): void {
  const limited = limiter();
  for (const level of LEVELS) console[level] = limited(console[level].bind(console));
}
