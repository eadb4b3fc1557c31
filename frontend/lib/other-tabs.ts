/** A token on its way between tabs, and the milliseconds since it was asked for. */
export type SharedToken = { token: string; age: number };

type Message = { kind: "wanted" } | ({ kind: "token"; sentAt: number } & SharedToken);

type Listener = {
  /** Another tab has this token. */
  onToken: (shared: SharedToken) => void;
  /** Another tab would take the token that this one holds. */
  onWanted: () => SharedToken | undefined;
};

/** A tab that hangs with the lock costs the others this, once each. */
const LOCK_TIMEOUT_MS = 5_000;

const isAge = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && value < Number.POSITIVE_INFINITY;

function read(data: unknown): Message | undefined {
  if (typeof data !== "object" || data === null || !("kind" in data)) return undefined;
  if (data.kind === "wanted") return { kind: "wanted" };
  if (data.kind !== "token" || !("token" in data && "age" in data && "sentAt" in data)) {
    return undefined;
  }
  const { token, age, sentAt } = data;
  if (typeof token !== "string" || !isAge(age) || !isAge(sentAt)) return undefined;
  return { kind: "token", token, age, sentAt };
}

/**
 * One person's tabs in one browser, which take turns in fetching a token and tell each other theirs.
 *
 * Tokens go from memory to memory (BroadcastChannel), turns are a lock (Web Locks). A message can
 * come later than the lock that was released after it, so each tab also shows, as a shared lock named
 * after the second of its token's issue, what it could answer with: whoever gets its turn asks when
 * there is something to get, and never waits when there is not.
 */
export class OtherTabs {
  readonly #name: string;
  #channel: BroadcastChannel | undefined;
  #release: (() => void) | undefined;

  /** Undefined where browsers offer neither, as over plain HTTP: the tab is on its own. */
  static open(owner: string, listener: Listener): OtherTabs | undefined {
    const offered = "locks" in navigator && typeof BroadcastChannel === "function";
    return offered ? new OtherTabs(`access-token:${owner}`, listener) : undefined;
  }

  private constructor(name: string, { onToken, onWanted }: Listener) {
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      const message = read(data);
      if (message?.kind === "token") {
        // A tab that was frozen reads its messages late.
        const delay = Math.max(0, Date.now() - message.sentAt);
        onToken({ token: message.token, age: message.age + delay });
      }
      const answer = message?.kind === "wanted" ? onWanted() : undefined;
      if (answer) this.share(answer);
    };
  }

  share({ token, age }: SharedToken): void {
    this.#post({ kind: "token", token, age, sentAt: Date.now() });
  }

  requestToken(): void {
    this.#post({ kind: "wanted" });
  }

  #post(message: Message): void {
    this.#channel?.postMessage(message);
  }

  /** Runs `work` while no other tab runs its own; after 5 seconds of waiting, or without locks, at once. */
  async withLock<T>(work: () => Promise<T>, given: AbortSignal): Promise<T> {
    let hasLock = false;
    const tooLong = new AbortController();
    const timer = setTimeout(() => tooLong.abort(), LOCK_TIMEOUT_MS);
    const signal = AbortSignal.any([given, tooLong.signal]);
    try {
      return await navigator.locks.request(this.#name, { signal }, () => {
        hasLock = true;
        clearTimeout(timer);
        return work();
      });
    } catch (error) {
      if (hasLock || given.aborted) throw error;
      return await work();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Shows the others that this tab holds a token issued at that second, until `hide`. */
  async announce(issuedAt: number): Promise<void> {
    if (!this.#channel) return;
    const before = this.#release;
    await new Promise<void>((shown) => {
      const hidden = new Promise<void>((release) => {
        this.#release = release;
      });
      const name = `${this.#name}:${issuedAt}`;
      const request = navigator.locks.request(name, { mode: "shared" }, () => {
        shown();
        return hidden;
      });
      // Refused, for a page that is just being left: then there is nobody to show it.
      request.catch(() => shown());
    });
    before?.();
  }

  withdraw(): void {
    this.#release?.();
    this.#release = undefined;
  }

  /** Whether any tab holds a token issued after that second. */
  async hasNewerThan(issuedAt: number): Promise<boolean> {
    const { held = [] } = await navigator.locks.query();
    const prefix = `${this.#name}:`;
    return held.some(
      ({ name }) => name?.startsWith(prefix) && Number(name.slice(prefix.length)) > issuedAt,
    );
  }

  close(): void {
    this.withdraw();
    this.#channel?.close();
    this.#channel = undefined;
  }
}
