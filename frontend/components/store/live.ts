import { isLeaving } from "@/components/account/signed-out";
import { type AccessToken, SessionOverError, TokenUnavailableError } from "@/lib/access-token";
import { Backoff } from "@/lib/backoff";
import { Election } from "@/lib/election";
import { wait } from "@/lib/wait";
import type { Subscription } from "./feeds";
import { type ChangeEvent, follow } from "./follow";
import type { FeedPart, Row } from "./noun";

export type Connection = {
  apiUrl: string;
  owner: string;
  accessToken: AccessToken;
  /** Called when the session is over. */
  onSessionOver: () => void;
};

type Target = {
  /**
   * Return the subscriptions that continue the feeds; null if the feeds cannot be read now, or if
   * they must be read and the server asked to wait.
   *
   * @param isBehind whether the feeds must be read first, because changes were lost.
   */
  subscriptions: (isBehind: boolean) => Promise<readonly Subscription[] | null>;
  /** Store and show changes. The parts of each noun are in order. */
  receive: (parts: readonly FeedPart[]) => Promise<void>;
  /** Called when changes begin to arrive. */
  onOpen: () => void;
};

/** A message between tabs. The parts of `open` have the changes that have just arrived, if any. */
type Message = { kind: "ask" } | { kind: "closed" } | { kind: "open"; parts: FeedPart[] };

/** Changes that arrive within this time are shown together. */
const FRAME_MS = 16;

/** Join the parts that follow each other in the same feed. */
function joined(parts: readonly FeedPart[]): FeedPart[] {
  const result: FeedPart[] = [];
  for (const part of parts) {
    const index = result.findLastIndex(({ noun }) => noun === part.noun);
    const before = result[index];
    if (before && before.cursor === part.after && before.shape === part.shape) {
      const changes = [...before.changes, ...part.changes];
      result[index] = { ...before, cursor: part.cursor, changes };
    } else result.push(part);
  }
  return result;
}

/**
 * The changes of one person's rows as they happen, over one socket for all tabs of the browser.
 *
 * The elected tab opens the socket, and sends the changes to the other tabs. If it does not
 * respond, because the browser has frozen it, another tab replaces it. Without Web Locks each tab
 * has a socket. While no socket is open, `isOpen` is false, and the tabs poll.
 */
export class Live {
  readonly #connection: Connection;
  readonly #target: Target;
  readonly #election: Election;
  #isOpen: boolean = false;
  /** The signal that ends this tab's last time as the elected tab. */
  #until: AbortSignal | undefined;
  /** Whether this tab has sent `ask`, and the elected tab has not answered yet. */
  #isAsking: boolean = false;
  /** Whether events were lost, so that the feeds must be read before the next subscription. */
  #isBehind: boolean = false;
  /** For each noun, a part without changes at the cursor of the last change that has arrived. */
  readonly #ends = new Map<string, FeedPart>();
  #arrived: FeedPart[] = [];
  #frame: ReturnType<typeof setTimeout> | undefined;
  #channel: BroadcastChannel | undefined;
  /** Ends the pause before the next connection. */
  #endPause: () => void = () => {};
  /** Closes the socket. */
  #close: () => void = () => {};

  constructor(connection: Connection, target: Target) {
    this.#connection = connection;
    this.#target = target;
    this.#election = new Election(`live:${connection.owner}`, (until) => this.#lead(until));
  }

  get #isElected(): boolean {
    return this.#until?.aborted === false;
  }

  /** Whether changes arrive without polling. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Receive changes until the returned function is called. That closes the socket at once. */
  start(): () => void {
    const alone = new AbortController();
    const join = () => this.#join();
    const leave = () => this.#leave();
    const disconnect = () => this.#close();
    if (Election.isPossible()) {
      document.addEventListener("freeze", leave);
      document.addEventListener("resume", join);
      join();
    } else void this.#lead(alone.signal);
    window.addEventListener("offline", disconnect);
    return () => {
      document.removeEventListener("freeze", leave);
      document.removeEventListener("resume", join);
      window.removeEventListener("offline", disconnect);
      alone.abort();
      leave();
    };
  }

  /**
   * Ask the elected tab for an answer. Replace the tab if it has not answered since the last call.
   */
  check(): void {
    if (this.#isElected || !this.#channel) return;
    if (this.#isAsking) {
      this.#isAsking = false;
      this.#isOpen = false;
      this.#election.stand(true);
    } else {
      this.#isAsking = true;
      this.#post({ kind: "ask" });
    }
  }

  /** Connect now, if this tab waits before it connects again. */
  tryNow(): void {
    this.#endPause();
  }

  #join(): void {
    this.#channel = new BroadcastChannel(`live:${this.#connection.owner}`);
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => this.#onMessage(data);
    this.#election.stand();
    this.check();
  }

  #leave(): void {
    this.#election.withdraw();
    this.#channel?.close();
    this.#channel = undefined;
    this.#isAsking = false;
    this.#isOpen = false;
    clearTimeout(this.#frame);
    this.#frame = undefined;
    this.#arrived = [];
  }

  #post(message: Message): void {
    this.#channel?.postMessage(message);
  }

  #onMessage(message: Message): void {
    if (message.kind === "ask") {
      if (this.#isElected) this.#report();
    } else if (!this.#isElected) {
      this.#isAsking = false;
      this.#setOpen(message.kind === "open");
      if (message.kind === "open") this.#arrive(message.parts);
    }
  }

  /** Tell the other tabs whether the socket is open, and which cursors they should have reached. */
  #report(): void {
    this.#post(
      this.#isOpen ? { kind: "open", parts: [...this.#ends.values()] } : { kind: "closed" },
    );
  }

  #setOpen(isOpen: boolean): void {
    const hasOpened = isOpen && !this.#isOpen;
    this.#isOpen = isOpen;
    if (hasOpened) this.#target.onOpen();
  }

  /** Keep a socket open until the signal is aborted. */
  async #lead(until: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    this.#until = until;
    this.#isAsking = false;
    this.#setOpen(false);
    this.#report();
    while (!until.aborted) {
      if (await this.#connect(until)) backoff.reset();
      // Full jitter: after a deployment, the clients do not all connect at the same time.
      await this.#pause(Math.random() * backoff.after(null), until);
    }
  }

  async #pause(milliseconds: number, until: AbortSignal): Promise<void> {
    if (until.aborted) return;
    const pause = new AbortController();
    const end = () => pause.abort();
    this.#endPause = end;
    until.addEventListener("abort", end);
    await wait(milliseconds, pause.signal);
    until.removeEventListener("abort", end);
  }

  /** Open the socket. When it is closed, resolve with whether it was open. */
  async #connect(until: AbortSignal): Promise<boolean> {
    const subscriptions = await this.#target.subscriptions(this.#isBehind);
    const token = subscriptions && !isLeaving() ? await this.#token() : null;
    if (!subscriptions || token === null || until.aborted) return false;
    const { apiUrl, accessToken } = this.#connection;
    let wasOpen = false;
    const following = follow({ apiUrl, token }, subscriptions, {
      onOpen: () => {
        wasOpen = true;
        this.#begin(subscriptions);
      },
      onEvent: (noun, event) => this.#take(noun, event),
    });
    this.#close = following.stop;
    until.addEventListener("abort", following.stop);
    const { isTokenRejected, hasFailed } = await following.closed;
    until.removeEventListener("abort", following.stop);
    if (isTokenRejected) accessToken.invalidate(token);
    this.#isBehind = hasFailed;
    this.#setOpen(false);
    if (!until.aborted) this.#report();
    return wasOpen;
  }

  async #token(): Promise<string | null> {
    try {
      return await this.#connection.accessToken.get();
    } catch (error) {
      if (error instanceof SessionOverError) this.#connection.onSessionOver();
      else if (!(error instanceof TokenUnavailableError)) throw error;
      return null;
    }
  }

  #begin(subscriptions: readonly Subscription[]): void {
    this.#ends.clear();
    for (const { noun, shape, after } of subscriptions)
      this.#ends.set(noun, { noun, shape, after, cursor: after, changes: [] });
    this.#setOpen(true);
    this.#report();
  }

  /** Handle an event, and send it to the other tabs. */
  #take(noun: string, { cursor, id, row }: ChangeEvent): void {
    const end = this.#ends.get(noun);
    if (!end) return;
    this.#ends.set(noun, { ...end, after: cursor, cursor });
    const part = { ...end, cursor, changes: [{ id, row: row as Row | null }] };
    this.#post({ kind: "open", parts: [part] });
    this.#arrive([part]);
  }

  #arrive(parts: readonly FeedPart[]): void {
    this.#arrived.push(...parts);
    this.#frame ??= setTimeout(() => void this.#show(), FRAME_MS);
  }

  async #show(): Promise<void> {
    try {
      while (this.#arrived.length > 0) await this.#target.receive(joined(this.#arrived.splice(0)));
    } finally {
      this.#frame = undefined;
    }
  }
}
