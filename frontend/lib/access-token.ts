import { decodeJwt } from "jose";
import { retryAfterOf } from "./backoff";
import { OtherTabs, type SharedToken } from "./other-tabs";
import { reach, UnreachableError } from "./reach";

/** The session is over, or another person's now: sign in again. */
export class SessionOverError extends Error {
  override readonly name = "SessionOverError";
}

/** No token could be had, which says nothing about the session: try again, sign nobody out. */
export class TokenUnavailableError extends Error {
  override readonly name = "TokenUnavailableError";
  /** The HTTP status of the answer; undefined when there was none, or no whole one. */
  readonly status: number | undefined;
  /** Milliseconds that the server asks to wait, if it does. */
  readonly retryAfter: number | null;

  constructor(message: string, { cause, response }: { cause?: unknown; response?: Response } = {}) {
    super(message, { cause });
    this.status = response?.status;
    this.retryAfter = response ? retryAfterOf(response) : null;
  }
}

/** A point in time, in milliseconds of the laptop's clock and of the page's. */
type Moment = { wall: number; steady: number };

type Held = {
  token: string;
  askedAt: Moment;
  /** `iat`, in seconds of the server's clock. */
  issuedAt: number;
  /** `exp - iat`, in milliseconds. */
  life: number;
  /** The age at which it is renewed. */
  renewAt: number;
};

type Refused = { token: string; at: Moment };

const TIMEOUT_MS = 10_000;
const LONGEST_MARGIN_MS = 60_000;
/** After a failed renewal, while the token is still good. */
const PAUSE_MS = 5_000;
/** Waits between tries when there is no network at all: just after waking, it takes a moment. */
const NETWORK_WAITS_MS = [250, 1_000];
/** For another tab that shows a token to send it. */
const ANSWER_MS = 500;
/** A token asked for that shortly before another was refused may already be the better one. */
const FRESH_MS = 10_000;

const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const now = (age = 0): Moment => ({ wall: Date.now() - age, steady: performance.now() - age });

/**
 * Milliseconds since then, by the clock that saw more of them: the laptop's may be set back, the
 * page's may stand still while the laptop sleeps.
 */
function since({ wall, steady }: Moment): number {
  return Math.max(Date.now() - wall, performance.now() - steady);
}

/** `iat` is cut to a whole second, so that a token may be up to one older than it says. */
const usableFor = (life: number) => life - 1000;

function ageToRenewAt(life: number): number {
  return usableFor(life) - Math.min(LONGEST_MARGIN_MS, life / 4);
}

/**
 * One person's access token: in memory only, fetched once however many ask and in however many tabs,
 * and renewed before it expires.
 *
 * Its age counts from when it was asked for and is held against `exp - iat`, two times of the server's
 * clock: what the laptop believes the time to be does not matter.
 */
export class AccessToken {
  readonly #owner: string;
  #held: Held | undefined;
  #refused: Refused | undefined;
  /** `iat` of the newest token that was held here. */
  #newest = 0;
  #renewal: Promise<string> | undefined;
  #tabs: OtherTabs | undefined;
  #arrived: ((token: string) => void) | undefined;

  /** @param owner the user id that the page was rendered for; another's token is never used. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /**
   * A token that is good for the next request. Calls that overlap share one fetch.
   *
   * @throws {SessionOverError} @throws {TokenUnavailableError}
   */
  async get(): Promise<string> {
    const held = this.#held;
    if (held && !isDue(held)) return held.token;
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return await this.#renewal;
  }

  /** The API took none of it: the next `get` brings another, that is not older than this moment. */
  refuse(token: string): void {
    if (this.#held && this.#held.token !== token) return;
    this.#refused = { token, at: now() };
    this.#drop();
  }

  /** Forgets the token, and what connects this tab to others, until the next `get`. */
  close(): void {
    this.#drop();
    this.#tabs?.close();
    this.#tabs = undefined;
  }

  #drop(): void {
    this.#held = undefined;
    this.#tabs?.hide();
  }

  async #renew(): Promise<string> {
    try {
      return await this.#obtain();
    } catch (error) {
      const held = this.#held;
      if (!(error instanceof TokenUnavailableError && held)) throw error;
      const age = since(held.askedAt);
      if (age >= usableFor(held.life)) throw error;
      held.renewAt = age + Math.max(PAUSE_MS, error.retryAfter ?? 0);
      return held.token;
    }
  }

  async #obtain(): Promise<string> {
    this.#tabs ??= OtherTabs.open(this.#owner, {
      onToken: (shared) => this.#offer(shared),
      onWanted: () => this.#spare(),
    });
    const tabs = this.#tabs;
    if (!tabs) return this.#fetch();
    const arrived = new AbortController();
    const arrival = new Promise<string>((resolve) => {
      this.#arrived = resolve;
    });
    try {
      const turn = tabs.takeTurn(async () => {
        if (!(await tabs.haveNewerThan(this.#newest))) return this.#fetch();
        tabs.ask();
        return (await Promise.race([arrival, delay(ANSWER_MS)])) ?? this.#fetch();
      }, arrived.signal);
      return await Promise.race([arrival, turn]);
    } finally {
      arrived.abort();
      this.#arrived = undefined;
    }
  }

  /** What another tab may have, which looks at it as closely as this one did. */
  #spare(): SharedToken | undefined {
    return this.#held && { token: this.#held.token, age: since(this.#held.askedAt) };
  }

  /** Another tab has a token. It is taken when it is this person's, good, and newer. */
  #offer({ token, age }: SharedToken): void {
    let offered: Held;
    try {
      offered = this.#read(token, now(age));
    } catch {
      return;
    }
    if (isDue(offered) || this.#isRefused(offered)) return;
    const isNewer = !this.#held || isDue(this.#held) || offered.issuedAt > this.#held.issuedAt;
    if (!isNewer) return;
    void this.#hold(offered);
    this.#arrived?.(token);
  }

  #isRefused({ token, askedAt }: Held): boolean {
    if (!this.#refused) return false;
    return token === this.#refused.token || askedAt.steady < this.#refused.at.steady - FRESH_MS;
  }

  /** Settles once the other tabs can see it. */
  async #hold(held: Held): Promise<void> {
    this.#held = held;
    this.#newest = Math.max(this.#newest, held.issuedAt);
    await this.#tabs?.show(held.issuedAt);
  }

  async #fetch(): Promise<string> {
    const askedAt = now();
    const response = await ask();
    if (response.status === 401) {
      this.#drop();
      throw new SessionOverError();
    }
    if (!response.ok) throw new TokenUnavailableError(`HTTP ${response.status}`, { response });
    try {
      const held = this.#read(await tokenIn(response), askedAt);
      const shown = this.#hold(held);
      this.#tabs?.tell({ token: held.token, age: since(askedAt) });
      await shown;
      return held.token;
    } catch (error) {
      if (error instanceof SessionOverError) this.#drop();
      throw error;
    }
  }

  #read(token: string, askedAt: Moment): Held {
    const { issuedAt, life, owner } = datesOf(token);
    if (owner !== this.#owner) throw new SessionOverError();
    return { token, askedAt, issuedAt, life, renewAt: ageToRenewAt(life) };
  }
}

function isDue({ askedAt, life, renewAt }: Held): boolean {
  return since(askedAt) >= Math.min(renewAt, usableFor(life));
}

async function ask(waits = NETWORK_WAITS_MS): Promise<Response> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await reach("/api/auth/token", { cache: "no-store", signal });
  } catch (cause) {
    if (!(cause instanceof UnreachableError)) throw cause;
    const [wait, ...later] = waits;
    if (wait === undefined || signal.aborted) {
      throw new TokenUnavailableError("no answer", { cause });
    }
    await delay(wait);
    return ask(later);
  }
}

async function tokenIn(response: Response): Promise<string> {
  try {
    const { token } = (await response.json()) as { token: string };
    return token;
  } catch (cause) {
    throw new TokenUnavailableError("not a token", { cause });
  }
}

function datesOf(token: string): { issuedAt: number; life: number; owner: unknown } {
  try {
    const { iat, exp, user_id } = decodeJwt(token);
    if (iat === undefined || exp === undefined) throw new TypeError("no iat or no exp");
    return { issuedAt: iat, life: (exp - iat) * 1000, owner: user_id };
  } catch (cause) {
    throw new TokenUnavailableError("not a token", { cause });
  }
}
