import { decodeJwt } from "jose";

/** The session is over, or another person's now: sign in again. */
export class SessionOverError extends Error {
  override readonly name = "SessionOverError";
}

/** No token could be had, which says nothing about the session: try again, sign nobody out. */
export class TokenUnavailableError extends Error {
  override readonly name = "TokenUnavailableError";
}

type Held = { token: string; askedAt: number; renewAfter: number };

const TIMEOUT_MS = 10_000;
const LONGEST_MARGIN_MS = 60_000;

/**
 * Milliseconds after which a token that lives `life` milliseconds is renewed.
 *
 * `iat` is cut to a whole second, so that a token may be up to one older than it says.
 */
function renewAfter(life: number): number {
  return life - 1000 - Math.min(LONGEST_MARGIN_MS, life / 4);
}

/**
 * One person's access token: in memory only, fetched once however many ask, renewed before it expires.
 *
 * Its age counts from when it was asked for, by one clock, and is held against `exp - iat`, two times
 * of the server's clock: what the laptop believes the time to be does not matter.
 */
export class AccessToken {
  readonly #owner: string;
  #held: Held | undefined;
  #renewal: Promise<string> | undefined;

  /** @param owner the user id that the page was rendered for; another's token is never used. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /** The held token, which may be due for renewal. */
  get current(): string | undefined {
    return this.#held?.token;
  }

  get isDue(): boolean {
    if (!this.#held) return true;
    const age = Date.now() - this.#held.askedAt;
    // A negative age is a clock that was set back, by who knows how much.
    return age < 0 || age >= this.#held.renewAfter;
  }

  /** A token that is good for the next request. */
  get(): Promise<string> {
    return this.#held && !this.isDue ? Promise.resolve(this.#held.token) : this.renew();
  }

  /**
   * A new token; calls that overlap share one request.
   *
   * @throws {SessionOverError} @throws {TokenUnavailableError}
   */
  renew(): Promise<string> {
    this.#renewal ??= this.#fetch().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  #drop(): void {
    this.#held = undefined;
  }

  async #fetch(): Promise<string> {
    const askedAt = Date.now();
    const response = await ask();
    if (response.status === 401) {
      this.#drop();
      throw new SessionOverError();
    }
    if (!response.ok) throw new TokenUnavailableError(`HTTP ${response.status}`);
    const { token, owner, life } = await read(response);
    if (owner !== this.#owner) {
      this.#drop();
      throw new SessionOverError();
    }
    this.#held = { token, askedAt, renewAfter: renewAfter(life) };
    return token;
  }
}

async function ask(): Promise<Response> {
  try {
    return await fetch("/api/auth/token", {
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw new TokenUnavailableError("no answer", { cause });
  }
}

async function read(response: Response): Promise<{ token: string; owner: unknown; life: number }> {
  try {
    const { token } = (await response.json()) as { token: string };
    const { iat, exp, user_id } = decodeJwt(token);
    if (iat === undefined || exp === undefined) throw new TypeError("no iat or no exp");
    return { token, owner: user_id, life: (exp - iat) * 1000 };
  } catch (cause) {
    throw new TokenUnavailableError("not a token", { cause });
  }
}
