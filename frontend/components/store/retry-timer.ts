import { Backoff } from "@/lib/backoff";

/**
 * The pause after a failure, and the timer that ends it. It grows with each failure (exponential
 * backoff) and is never shorter than the server's `Retry-After`.
 */
export class RetryTimer {
  readonly #backoff = new Backoff();
  readonly #onElapsed: () => void;
  /** The end of the pause, in milliseconds of `performance.now()`. */
  #pausedUntil = 0;
  /** The same if the server asked for the pause, else 0: only then edits wait as well. */
  #serverPausedUntil = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onElapsed: () => void) {
    this.#onElapsed = onElapsed;
  }

  /** Whether polling has to wait. */
  isPaused(): boolean {
    return performance.now() < this.#pausedUntil;
  }

  /** Whether edits have to wait, too: the server asked for the pause. */
  isPausedByServer(): boolean {
    return performance.now() < this.#serverPausedUntil;
  }

  /**
   * Pause after a failure. A failure within a pause, such as of a new edit, does not make it
   * longer.
   *
   * @param retryAfter the milliseconds that the server asks to wait, or null.
   */
  pause(retryAfter: number | null): void {
    if (retryAfter !== null || !this.isPaused()) {
      this.#pausedUntil = performance.now() + this.#backoff.after(retryAfter);
      this.#serverPausedUntil = retryAfter === null ? 0 : this.#pausedUntil;
    }
    this.start();
  }

  /** Start the timer that ends the pause, also after `stop`. */
  start(): void {
    this.stop();
    const wait = this.#pausedUntil - performance.now();
    this.#timer = setTimeout(this.#onElapsed, Math.max(wait, 0));
  }

  /** End the pause, unless the server asked for it. */
  skipOwnPause(): void {
    this.#pausedUntil = this.#serverPausedUntil;
  }

  /** End the pause. The next one goes on growing. */
  resume(): void {
    this.#pausedUntil = 0;
    this.#serverPausedUntil = 0;
    this.stop();
  }

  /** End the pause after a success: the next one starts short again. */
  reset(): void {
    this.#backoff.reset();
    this.resume();
  }

  /** Stop the timer without ending the pause. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
