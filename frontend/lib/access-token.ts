import { decodeJwt } from "jose";
import { retryAfterOf } from "./backoff";
import { OtherTabs, type SharedToken } from "./other-tabs";
import { reach, UnreachableError } from "./reach";

/**
 * Thrown when the session has ended or belongs to another person: the person has to sign in again.
 */
export class SessionOverError extends Error {
  override readonly name = "SessionOverError";
}

/** Thrown when no token could be fetched. The session may still be valid: try again later. */
export class TokenUnavailableError extends Error {
  override readonly name = "TokenUnavailableError";
  /** The HTTP status of the response; undefined if there was none or it was cut off. */
  readonly status: number | undefined;
  /** The milliseconds that the server asks to wait, or null. */
  readonly retryAfter: number | null;

  constructor(message: string, { cause, response }: { cause?: unknown; response?: Response } = {}) {
    super(message, { cause });
    this.status = response?.status;
    this.retryAfter = response ? retryAfterOf(response) : null;
  }
}

/**
 * A point in time, in milliseconds of the device's clock (`wall`) and of the page's monotonic clock
 * (`steady`).
 */
type ClockReading = { wall: number; steady: number };

type CachedToken = {
  token: string;
  askedAt: ClockReading;
  /** `iat`, in seconds of the server's clock. */
  issuedAt: number;
  /** `exp - iat`, in milliseconds. */
  lifetime: number;
  /** The age at which the token is renewed, in milliseconds. */
  renewAt: number;
};

type InvalidatedToken = { token: string; at: ClockReading };

const TIMEOUT_MS = 10_000;
const MAX_MARGIN_MS = 60_000;
/** The pause after a failed renewal, while the token is still valid. */
const RETRY_AFTER_MS = 5_000;
/** The delays between tries when there is no network: a device that just woke needs a moment. */
const NETWORK_RETRY_DELAYS_MS = [250, 1_000];
/** How long to wait for the token of another tab. */
const SHARE_TIMEOUT_MS = 500;
/**
 * A token that was requested this shortly before another one was invalidated may be newer than
 * that.
 */
const FRESH_BEFORE_MS = 10_000;

const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const now = (age = 0): ClockReading => ({
  wall: Date.now() - age,
  steady: performance.now() - age,
});

/**
 * Return the milliseconds since a point in time, by the clock that counted more: the device's clock
 * may be set back, and the monotonic clock may stop while the device sleeps.
 */
function since({ wall, steady }: ClockReading): number {
  return Math.max(Date.now() - wall, performance.now() - steady);
}

/** Subtract a second, since `iat` is rounded down to whole seconds. */
const usableLifetime = (life: number) => life - 1000;

function ageToRenewAt(life: number): number {
  return usableLifetime(life) - Math.min(MAX_MARGIN_MS, life / 4);
}

/**
 * One person's access token. It is held in memory only, fetched once for all callers and tabs, and
 * renewed before it expires.
 *
 * Its age counts from the moment of the request and is compared with `exp - iat`, two times of the
 * server's clock. So a wrong clock of the device does not matter.
 */
export class AccessToken {
  readonly #owner: string;
  #cached: CachedToken | undefined;
  #invalidated: InvalidatedToken | undefined;
  /** `iat` of the newest token that was cached here. */
  #newestIssuedAt = 0;
  #renewal: Promise<string> | undefined;
  #tabs: OtherTabs | undefined;
  #onArrival: ((token: string) => void) | undefined;

  /** @param owner the user id that the page was rendered for; another's token is never used. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /**
   * Return a token that is valid for the next request. Overlapping calls share one request.
   *
   * @throws {SessionOverError}
   * @throws {TokenUnavailableError}
   */
  async get(): Promise<string> {
    const cached = this.#cached;
    if (cached && !needsRenewal(cached)) return cached.token;
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return await this.#renewal;
  }

  /** Drop a token that the API rejected. The next `get` fetches a newer one. */
  invalidate(token: string): void {
    if (this.#cached && this.#cached.token !== token) return;
    this.#invalidated = { token, at: now() };
    this.#clear();
  }

  /** Drop the token and the connection to other tabs, until the next `get`. */
  close(): void {
    this.#clear();
    this.#tabs?.close();
    this.#tabs = undefined;
  }

  #clear(): void {
    this.#cached = undefined;
    this.#tabs?.withdraw();
  }

  async #renew(): Promise<string> {
    try {
      return await this.#shareOrFetch();
    } catch (error) {
      const cached = this.#cached;
      if (!(error instanceof TokenUnavailableError && cached)) throw error;
      const age = since(cached.askedAt);
      if (age >= usableLifetime(cached.lifetime)) throw error;
      cached.renewAt = age + Math.max(RETRY_AFTER_MS, error.retryAfter ?? 0);
      return cached.token;
    }
  }

  async #shareOrFetch(): Promise<string> {
    this.#tabs ??= OtherTabs.open(this.#owner, {
      onToken: (shared) => this.#acceptShared(shared),
      onWanted: () => this.#tokenToShare(),
    });
    const tabs = this.#tabs;
    if (!tabs) return this.#fetch();
    const arrived = new AbortController();
    const arrival = new Promise<string>((resolve) => {
      this.#onArrival = resolve;
    });
    try {
      const result = tabs.withLock(async () => {
        if (!(await tabs.hasNewerThan(this.#newestIssuedAt))) return this.#fetch();
        tabs.requestToken();
        return (await Promise.race([arrival, delay(SHARE_TIMEOUT_MS)])) ?? this.#fetch();
      }, arrived.signal);
      return await Promise.race([arrival, result]);
    } finally {
      arrived.abort();
      this.#onArrival = undefined;
    }
  }

  /** Return the token for another tab, which checks it as if it had fetched it. */
  #tokenToShare(): SharedToken | undefined {
    return this.#cached && { token: this.#cached.token, age: since(this.#cached.askedAt) };
  }

  /** Use the token of another tab if it belongs to this person, is valid and is newer. */
  #acceptShared({ token, age }: SharedToken): void {
    let offered: CachedToken;
    try {
      offered = this.#parse(token, now(age));
    } catch {
      return;
    }
    if (needsRenewal(offered) || this.#isInvalidated(offered)) return;
    const isNewer =
      !this.#cached || needsRenewal(this.#cached) || offered.issuedAt > this.#cached.issuedAt;
    if (!isNewer) return;
    void this.#cache(offered);
    this.#onArrival?.(token);
  }

  #isInvalidated({ token, askedAt }: CachedToken): boolean {
    if (!this.#invalidated) return false;
    return (
      token === this.#invalidated.token ||
      askedAt.steady < this.#invalidated.at.steady - FRESH_BEFORE_MS
    );
  }

  /** Store the token. Resolves once other tabs know of it. */
  async #cache(cached: CachedToken): Promise<void> {
    this.#cached = cached;
    this.#newestIssuedAt = Math.max(this.#newestIssuedAt, cached.issuedAt);
    await this.#tabs?.announce(cached.issuedAt);
  }

  async #fetch(): Promise<string> {
    const askedAt = now();
    const response = await fetchToken();
    if (response.status === 401) {
      this.#clear();
      throw new SessionOverError();
    }
    if (!response.ok) throw new TokenUnavailableError(`HTTP ${response.status}`, { response });
    try {
      const cached = this.#parse(await tokenIn(response), askedAt);
      const shown = this.#cache(cached);
      this.#tabs?.share({ token: cached.token, age: since(askedAt) });
      await shown;
      return cached.token;
    } catch (error) {
      if (error instanceof SessionOverError) this.#clear();
      throw error;
    }
  }

  #parse(token: string, askedAt: ClockReading): CachedToken {
    const { issuedAt, lifetime, owner } = parseToken(token);
    if (owner !== this.#owner) throw new SessionOverError();
    return { token, askedAt, issuedAt, lifetime, renewAt: ageToRenewAt(lifetime) };
  }
}

function needsRenewal({ askedAt, lifetime, renewAt }: CachedToken): boolean {
  return since(askedAt) >= Math.min(renewAt, usableLifetime(lifetime));
}

async function fetchToken(waits = NETWORK_RETRY_DELAYS_MS): Promise<Response> {
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
    return fetchToken(later);
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

function parseToken(token: string): { issuedAt: number; lifetime: number; owner: unknown } {
  try {
    const { iat, exp, user_id } = decodeJwt(token);
    if (iat === undefined || exp === undefined) throw new TypeError("no iat or no exp");
    return { issuedAt: iat, lifetime: (exp - iat) * 1000, owner: user_id };
  } catch (cause) {
    throw new TokenUnavailableError("not a token", { cause });
  }
}
