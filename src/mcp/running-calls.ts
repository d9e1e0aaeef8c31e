import { CallError } from '../proxmox/errors.ts';

/** The calls under way: how many each principal has, so that one can't take all, and what a drain waits for. */
export class RunningCalls {
  readonly #most: number;
  readonly #perPrincipal = new Map<string, number>();
  readonly #work = new Set<Promise<unknown>>();

  /** @param most calls of one principal at once */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Counts the work until it ends.
   *
   * @throws CallError RATE_LIMITED where the principal has too many under way; the work is then not begun.
   */
  async run<T>(principalId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#perPrincipal.get(principalId) ?? 0;
    if (before >= this.#most) {
      throw new CallError(
        'RATE_LIMITED',
        `${before} calls of this principal run already; nothing was sent.`,
        {
          hint: 'Wait for some of them to end, then repeat.',
        },
      );
    }
    this.#perPrincipal.set(principalId, before + 1);
    const begun = work();
    this.#work.add(begun);
    try {
      return await begun;
    } finally {
      this.#work.delete(begun);
      const left = (this.#perPrincipal.get(principalId) ?? 1) - 1;
      if (left > 0) this.#perPrincipal.set(principalId, left);
      else this.#perPrincipal.delete(principalId);
    }
  }

  /** Resolves when no call is under way any more, or after `milliseconds`. */
  async settled(milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let passed = false;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        passed = true;
        resolve();
      }, milliseconds);
    });
    while (this.#work.size > 0 && !passed) await Promise.race([Promise.allSettled(this.#work), limit]);
    clearTimeout(timer);
  }
}
