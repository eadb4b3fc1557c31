/**
 * Elects one of the tabs of a browser whose elections have the same name. When this tab withdraws
 * or is closed, another one is elected. The elected tab holds a Web Lock, and the others wait for
 * this lock.
 */
export class Election {
  readonly #name: string;
  readonly #lead: (until: AbortSignal) => Promise<void>;
  #candidacy: AbortController | undefined;

  /** Whether the browser has Web Locks. Over plain HTTP it has none. */
  static isPossible(): boolean {
    return "locks" in navigator && typeof BroadcastChannel === "function";
  }

  /** @param lead runs while this tab is elected. It resolves when the signal is aborted. */
  constructor(name: string, lead: (until: AbortSignal) => Promise<void>) {
    this.#name = name;
    this.#lead = lead;
  }

  /**
   * Wait to be elected, until `withdraw` is called.
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
      // Another tab has taken over the lock. An error of any other name means that the page closes.
      if (error.name === "AbortError" && this.#candidacy === candidacy) this.stand();
    }
  }
}
