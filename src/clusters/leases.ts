/** Who still works with something that is to be closed. */
export class Leases {
  #held = 0;
  readonly #waiting: (() => void)[] = [];

  /** @returns the lease; disposing of it twice counts once */
  take(): Disposable {
    this.#held++;
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#held--;
        if (this.#held === 0) for (const resolve of this.#waiting.splice(0)) resolve();
      },
    };
  }

  /** Resolves once nobody holds a lease. */
  async over(): Promise<void> {
    if (this.#held === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }
}
