import type { Approval } from '../config/policy-schema.ts';
import type { Approved } from './approvals/approvals.ts';
import { strictest } from './policy/decision.ts';

/** An approval that covers several calls of one tool call: each of them once, and no other. */
export class Grant {
  readonly approved: Approved;
  readonly #bindings: string[];
  readonly #lasting: Approval | undefined;

  /**
   * @param bindings `bindingOf` each single call
   * @param lasting the kind of the approval, where it holds for each however often it is made, and for nothing that
   *   needs a stricter one
   */
  constructor(approved: Approved, bindings: readonly string[], lasting?: Approval) {
    this.approved = approved;
    this.#bindings = [...bindings];
    this.#lasting = lasting;
  }

  /**
   * Uses it up for these calls; false where it does not cover all of them, and then for none.
   *
   * @param kind what they need
   */
  take(bindings: readonly string[], kind: Approval): boolean {
    if (this.#lasting !== undefined) {
      const suffices = strictest([kind, this.#lasting]) === this.#lasting;
      return suffices && bindings.every((binding) => this.#bindings.includes(binding));
    }
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
