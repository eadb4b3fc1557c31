/**
 * Elects one of the tabs of a browser that have the same name. It leads until it withdraws or is closed,
 * then the next one leads. The elected tab holds a Web Lock, and the others wait for that lock.
 */
export class Election {
  readonly #name: string;
  readonly #lead: (until: AbortSignal) => Promise<void>;
  #candidacy: AbortController | undefined;

  /** Whether the browser has Web Locks: it lacks them over plain HTTP. */
  static isPossible(): boolean {
    return "locks" in navigator && typeof BroadcastChannel === "function";
  }

  /** @param lead runs while this tab is elected. It resolves when the signal is aborted. */
  constructor(name: string, lead: (until: AbortSignal) => Promise<void>) {
    this.#name = name;
    this.#lead = lead;
  }

  /**
   * Become a candidate until `withdraw`.
   *
   * @param isTakeover whether to replace the elected tab at once, because it does not respond.
   */
  stand(isTakeover = false): void {
    this.withdraw();
    this.#candidacy = new AbortController();
    void this.#wait(this.#candidacy, isTakeover);
  }

  withdraw(): void {
    this.#candidacy?.abort();
    this.#candidacy = undefined;
  }

  async #wait(candidacy: AbortController, isTakeover: boolean): Promise<void> {
    const { signal } = candidacy;
    const options = isTakeover ? { steal: true } : { signal };
    try {
      await navigator.locks.request(this.#name, options, () => this.#lead(signal));
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      // Another tab has taken the lock over. Any other name means that the page is being closed.
      if (error.name === "AbortError" && this.#candidacy === candidacy) this.stand();
    }
  }
}
