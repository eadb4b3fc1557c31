/** The milliseconds between two lines about a problem that lasts. */
const REMINDER_MS = 10 * 60_000;

/** Logs a problem when it begins, every ten minutes while it lasts, and once more when it ends. */
export class LastingProblem {
  readonly #problem: string;
  readonly #end: string;
  readonly #clock: () => number;
  #began: number | null = null;
  #logged = 0;

  /**
   * `problem` and `end` are the texts of the lines, to which the reason and the duration are added.
   * `clock` returns milliseconds.
   */
  constructor(problem: string, end: string, clock: () => number = () => performance.now()) {
    this.#problem = problem;
    this.#end = end;
    this.#clock = clock;
  }

  /** Report that the problem has begun or still lasts. */
  lasts(reason: string): void {
    const now = this.#clock();
    if (this.#began === null) {
      console.warn(`${this.#problem} (${reason})`);
      this.#began = this.#logged = now;
    } else if (now - this.#logged >= REMINDER_MS) {
      console.warn(`${this.#problem} for ${seconds(now - this.#began)} now (${reason})`);
      this.#logged = now;
    }
  }

  /** Report that there is no problem, or that it has ended. `end` is the text of the log line. */
  ends(end: string = this.#end): void {
    if (this.#began === null) return;
    console.info(`${end}, after ${seconds(this.#clock() - this.#began)}`);
    this.#began = null;
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
