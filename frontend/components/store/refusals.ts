import type { Refusal } from "./state";

type Listener = (refusal: Refusal) => void;

/** The edits that the server refused. They are kept while no page shows them. */
export class Refusals {
  readonly #kept: Refusal[] = [];
  #listener: Listener | undefined;

  report(refusal: Refusal): void {
    if (this.#listener) this.#listener(refusal);
    else this.#kept.push(refusal);
  }

  /** Call `listener` for each refusal, and for those before. Returns a function that stops this. */
  listen(listener: Listener): () => void {
    this.#listener = listener;
    for (const refusal of this.#kept.splice(0)) listener(refusal);
    return () => {
      this.#listener = undefined;
    };
  }
}
