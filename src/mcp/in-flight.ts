import type { ServerResponse } from 'node:http';

type RequestId = string | number;

/**
 * The requests of one session that have not been answered. An id stays taken until its answer is sent or its request
 * is cancelled, whatever becomes of the connection: given to a second request too early, it would get the first one's
 * answer.
 */
export class InFlight {
  /** The response that waits for the answer, as long as it is open. */
  readonly #waiting = new Map<RequestId, ServerResponse | undefined>();
  /** Responses to batches of which a part was cancelled. */
  readonly #incomplete = new WeakSet<ServerResponse>();
  readonly #ends: (() => void)[] = [];

  has(id: RequestId): boolean {
    return this.#waiting.has(id);
  }

  /** Resolves once no request is left, and the last answer had the time to be written. */
  async over(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ends.push(resolve);
    this.#tellEnd();
    await promise;
    await new Promise((written) => setImmediate(written));
  }

  /** Takes the ids of one POST. A POST that the SDK refuses gives them back. */
  take(ids: readonly RequestId[], response: ServerResponse): void {
    for (const id of ids) this.#waiting.set(id, response);
    response.on('close', () => {
      const refused = response.statusCode >= 400;
      for (const id of ids) {
        if (this.#waiting.get(id) !== response) continue;
        if (refused) this.#waiting.delete(id);
        else this.#waiting.set(id, undefined);
      }
      this.#tellEnd();
    });
  }

  answered(id: RequestId): void {
    const response = this.#waiting.get(id);
    this.#waiting.delete(id);
    // The SDK ends the stream of a batch when all of it is answered, which a cancelled part never is.
    if (response && this.#incomplete.has(response) && !this.#isAwaited(response))
      setImmediate(() => response.end());
    this.#tellEnd();
  }

  /**
   * A cancelled request is never answered (MCP, "Cancellation"): without this its POST would stay open. One that other
   * requests of a batch wait on is left to them.
   */
  cancelled(ids: readonly RequestId[]): void {
    for (const id of ids) {
      const response = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (!response) continue;
      if (this.#isAwaited(response)) this.#incomplete.add(response);
      else response.end();
    }
    this.#tellEnd();
  }

  #tellEnd(): void {
    if (this.#waiting.size === 0) for (const resolve of this.#ends.splice(0)) resolve();
  }

  #isAwaited(response: ServerResponse): boolean {
    return [...this.#waiting.values()].includes(response);
  }
}
