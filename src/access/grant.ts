import type { Approved } from './approvals/approvals.ts';

/** An approval that covers several calls of one tool call: each of them once, and no other. */
export class Grant {
  readonly approved: Approved;
  readonly #bindings: string[];

  /** @param bindings `bindingOf` each single call */
  constructor(approved: Approved, bindings: readonly string[]) {
    this.approved = approved;
    this.#bindings = [...bindings];
  }

  /** Uses it up for these calls; false where it does not cover all of them, and then for none. */
  take(bindings: readonly string[]): boolean {
    const left = [...this.#bindings];
    for (const binding of bindings) {
      const index = left.indexOf(binding);
      if (index < 0) return false;
      left.splice(index, 1);
    }
    this.#bindings.splice(0, this.#bindings.length, ...left);
    return true;
  }
}
