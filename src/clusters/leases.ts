/** Who still works with something that is to be closed. */
export class Leases {
  #held = 0;
  readonly #waiting: (() => void)[] = [];

  /** @returns the lease; disposing of it twice counts once */
  take(): Disposable {
    this.#held++;
    return new Lease(() => {
      this.#held--;
      if (this.#held === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  /** Resolves once nobody holds a lease. */
  async over(): Promise<void> {
    if (this.#held === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }
}

/** A class, as one is taken for each call: an object with a symbol for a key is slow to make. */
class Lease implements Disposable {
  #end: (() => void) | undefined;

  constructor(end: () => void) {
    this.#end = end;
  }

  [Symbol.dispose](): void {
    this.#end?.();
    this.#end = undefined;
  }
}
