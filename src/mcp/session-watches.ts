import type { Caller } from './dispatcher.ts';
import type { WatchedResources } from './watched-resources.ts';

/** The resources that one session or stream has subscribed to; all end with it. */
export class SessionWatches {
  readonly #watched: WatchedResources;
  readonly #changed: (uri: string) => void;
  /** By URI: takes the watch back, once it has begun. */
  readonly #stops = new Map<string, Promise<() => void>>();
  #credential: string | undefined;
  #isOver = false;

  /** @param changed tells the client; it may have gone */
  constructor(watched: WatchedResources, changed: (uri: string) => void) {
    this.#watched = watched;
    this.#changed = changed;
  }

  /** The second time does nothing. @throws ProtocolProblem */
  async subscribe(uri: string, caller: Caller): Promise<void> {
    this.#credential ??= caller.principal.credential;
    const known = this.#stops.get(uri);
    if (known !== undefined) return void (await known);
    await this.#begin(uri, caller);
  }

  unsubscribe(uri: string): void {
    const stop = this.#stops.get(uri);
    this.#stops.delete(uri);
    stop?.then(call, ignore);
  }

  /** The session goes on with another credential, and so do its watches: the first one may end. */
  renew(caller: Caller): void {
    const { credential } = caller.principal;
    if (this.#stops.size === 0 || credential === this.#credential) return;
    this.#credential = credential;
    for (const [uri, before] of [...this.#stops]) {
      // Whatever comes of it, the old one ends after the new one has begun, so that nothing is asked twice.
      const end = () => before.then(call, ignore);
      this.#begin(uri, caller).then(end, end);
    }
  }

  close(): void {
    this.#isOver = true;
    for (const uri of [...this.#stops.keys()]) this.unsubscribe(uri);
  }

  async #begin(uri: string, caller: Caller): Promise<void> {
    if (this.#isOver) return;
    const stop = this.#watched.watch(uri, caller, () => this.#changed(uri));
    this.#stops.set(uri, stop);
    try {
      await stop;
    } catch (error) {
      if (this.#stops.get(uri) === stop) this.#stops.delete(uri);
      throw error;
    }
  }
}

function call(stop: () => void): void {
  stop();
}

function ignore(): void {}
