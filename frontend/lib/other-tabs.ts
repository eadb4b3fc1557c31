/** A token sent between tabs, and the milliseconds since it was requested. */
export type SharedToken = { token: string; age: number };

type Message = { kind: "wanted" } | ({ kind: "token"; sentAt: number } & SharedToken);

type Listener = {
  /** Called with the token of another tab. */
  onToken: (shared: SharedToken) => void;
  /** Called when another tab requests a token. Returns the token to send, if any. */
  onWanted: () => SharedToken | undefined;
};

/** A tab that hangs while it holds the lock delays each other tab by this, once. */
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
 * The tabs of one person in one browser. One at a time fetches a token, and they send it to each
 * other.
 *
 * Tokens are sent with BroadcastChannel, and a Web Lock makes the tabs take turns. A message can
 * arrive later than the release of the lock. So each tab also holds a shared lock whose name
 * contains the `iat` of its token. Whoever gets the lock then requests the token only if a newer
 * one exists.
 */
export class OtherTabs {
  readonly #name: string;
  #channel: BroadcastChannel | undefined;
  #release: (() => void) | undefined;

  /**
   * Open the channel. Returns undefined if the browser lacks these APIs, for example over plain
   * HTTP.
   */
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

  /**
   * Run `work` while no other tab does. After 5 seconds of waiting, or without locks, run it at
   * once.
   */
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

  /** Tell other tabs that this one has a token issued at that second, until `withdraw`. */
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
      // Rejected while the page is being closed: nobody needs the token then.
      request.catch(() => shown());
    });
    before?.();
  }

  withdraw(): void {
    this.#release?.();
    this.#release = undefined;
  }

  /** Whether any tab has a token issued after that second. */
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
